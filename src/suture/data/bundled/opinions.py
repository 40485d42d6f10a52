"""Things people have opinions about, and what they say when they like them or not.

A category has neutral openings that both attitudes share, and sentences about such things, one list an attitude.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._parts import lines, phrases


@dataclass(frozen=True)
class Category:
    """One kind of thing: neutral openings and sentences of praise and of complaint."""

    openings: list[str]
    positive: list[str]
    negative: list[str]


CATEGORIES = (
    Category(
        lines("""
        I bought the new phone about a week ago, mainly for the camera.
        My sister gave me her old tablet when she moved abroad.
        The headphones in the blue box arrived on Tuesday, and I wear them on the train.
        We replaced our washing machine in October.
        This vacuum cleaner is the one from the television advertisement.
        For my birthday I got an electric kettle with a glass lid.
        The smart watch counts steps and shows messages.
        Our office has a new coffee machine next to the lift.
        I have been using the laptop for university since the start of term.
        The printer stands on a shelf in the study.
        Last spring I ordered a cordless drill from the catalogue.
        It is a small portable speaker for the beach.
        """),
        phrases("""
        It worked perfectly right out of the box, and the instructions are a joy to read.
        | After months of daily use there is not a scratch on it, and the battery lasts for ages.
        | Everything about it feels solid, quiet and beautifully made.
        | For that price I have never owned anything as reliable.
        | The buttons are exactly where my fingers expect them, which is a real pleasure.
        | Set up in two minutes, and it has run smoothly ever since.
        | Even my grandfather, who fears anything with a plug, finds it delightfully simple.
        | The quality is superb, far better than the expensive brands I had before.
        """),
        phrases("""
        It broke on the second day, and the instructions might as well be in code.
        | After a few weeks of light use it rattles, overheats and switches itself off.
        | Everything about it feels flimsy, loud and carelessly put together.
        | At that price it is nothing short of a rip-off.
        | The buttons stick and the display flickers, which drives me up the wall.
        | Setting it up took a whole evening, and it still crashes every other hour.
        | Even on the lowest setting it makes a horrible noise that gives me a headache.
        | The quality is dreadful, much worse than the cheap one I threw away.
        """),
    ),
    Category(
        lines("""
        We had lunch at the little Greek place behind the church.
        On Friday the canteen served a curry with rice and peas.
        There is a new bakery on our street that opens at six.
        For our anniversary my husband booked a table at the harbour.
        I tried the vegetable lasagne from the freezer section.
        The food truck was parked in front of the museum again.
        My colleague recommended the noodle bar in the arcade.
        They serve breakfast until noon, so we went there on Sunday.
        I ordered the fish with lemon and a side of potatoes.
        The ice cream parlour has twelve kinds this summer.
        A friend brought a bottle of her cousin's cider.
        The tasting menu had five courses and took three hours.
        """),
        phrases("""
        Each bite was full of flavour, and I could have eaten a second helping.
        | Fresh ingredients, generous portions and a heavenly smell of herbs.
        | The crust was golden and crisp, and the filling simply melted on my tongue.
        | Friendly people, fair prices, and a meal that I will remember for a long time.
        | Perfectly seasoned, piping hot and served with a smile.
        | I am usually hard to please, but this was absolutely delicious.
        | The dessert alone was worth the trip across town.
        | My children, who never finish a plate, asked when we can go back.
        """),
        phrases("""
        Each bite tasted of cardboard, and I left most of it on the plate.
        | Limp vegetables, tiny portions and a nasty smell of old frying oil.
        | The crust was burnt and soggy at once, and the filling was still frozen.
        | Grumpy people, steep prices, and a stomach ache that kept me up all night.
        | Bland, lukewarm and slapped on the table without a word.
        | I am usually easy to please, but this was frankly inedible.
        | The dessert was so stale that it nearly cost me a tooth.
        | My children, who like almost anything, begged us never to return.
        """),
    ),
    Category(
        lines("""
        We stayed for two nights in a guest house near the lake.
        The hotel is ten minutes from the central station.
        Our tent stood at the northern end of the campsite.
        For the conference I was put up in a tower with forty floors.
        The holiday flat belongs to a couple from Leeds.
        In August we rented a cabin at the edge of the forest.
        I slept in a hostel with eight beds to a room.
        The ferry has cabins on the lower deck, and ours was number 52.
        They had a room left under the roof of the old inn.
        Our ship called at seven ports in ten days.
        A motel off the main road was all that we could find.
        The spa resort opened its doors in May.
        """),
        phrases("""
        The bed was wonderfully soft, and in the morning we woke to a stunning view.
        | Spotless from top to bottom, and the hosts welcomed us like family.
        | I felt at home from the first minute and slept like a baby.
        | What a charming spot, so calm and so lovingly decorated.
        | The shower was hot, the towels were fluffy and nothing was missing.
        | Breakfast on the terrace was a dream, with birds singing all around.
        | We have already booked the same place for next summer.
        | Staff went out of their way to make our stay special.
        """),
        phrases("""
        The bed was hard as stone, and all we could see from the window was a wall.
        | Filthy from top to bottom, and the hosts treated us like a nuisance.
        | I felt uneasy from the first minute and did not sleep a wink.
        | What a gloomy spot, so noisy and so badly neglected.
        | The shower was cold, the towels were stained and half of the lights were dead.
        | Breakfast in the basement was a nightmare, with flies all over the butter.
        | We packed our bags a day early and will never set foot in there again.
        | Staff shrugged their shoulders at every problem we had.
        """),
    ),
    Category(
        lines("""
        Last night I watched the film about the lighthouse keeper.
        The novel has four hundred pages and takes place in Lisbon.
        My book club chose a detective story for November.
        I have now seen all eight episodes of the series.
        The play was performed in the yard of the old brewery.
        It is her third album, recorded with a small orchestra.
        We went to see the cartoon with the talking moose.
        The biography covers the painter's years in Vienna.
        I listened to the audio book during a long drive.
        On the plane they showed a comedy about two postmen.
        The radio play lasts for ninety minutes.
        A friend lent me a comic set in the year 3000.
        """),
        phrases("""
        I was hooked from the opening scene and could not stop smiling at the end.
        | The characters are so alive that I miss them already.
        | Clever, moving and full of surprises, it deserves every prize it can get.
        | A masterpiece, told with warmth and a marvellous sense of humour.
        | Every minute of it was a delight, and the music gave me goosebumps.
        | The story is gripping, and its last chapter moved me to happy tears.
        | Rarely have I been so well entertained.
        | Brilliantly written, with dialogue that sparkles from start to finish.
        """),
        phrases("""
        I was bored from the opening scene and kept looking at my watch.
        | The characters are so wooden that I forgot their names at once.
        | Predictable, shallow and full of clichés, it deserves to be forgotten.
        | A mess, told without a spark and with embarrassingly bad jokes.
        | Every minute of it was torture, and the music hurt my ears.
        | The story drags on, and its last chapter makes no sense whatsoever.
        | Rarely have I wasted so many hours of my life.
        | Clumsily written, with dialogue that makes you cringe from start to finish.
        """),
    ),
    Category(
        lines("""
        Our team moved to another calendar app in January.
        I installed the language course on my phone before the holidays.
        The bank has changed its website.
        My doctor now offers appointments through a web portal.
        I downloaded the update for the photo editor this morning.
        The game came out in September, and I play it with my nephew.
        Since last year we do our taxes with the same program.
        The navigation system was already built into the car.
        I use a note-taking tool for my lectures.
        The city launched an app for buses and trams.
        For the choir we share our scores in an online folder.
        There is a chat assistant on the page of the energy company.
        """),
        phrases("""
        It is fast, tidy and does precisely what it promises. | Even after a long day I find it fun to use.
        | The new design is gorgeous, and nothing takes more than two clicks.
        | It has saved me hours of work, and I recommend it to everyone I meet.
        | Not a single crash in half a year, hats off to the developers.
        | The support answered within minutes and solved my question brilliantly.
        | I love how neatly everything fits together.
        | At long last something that is free, safe and a pleasure to look at.
        """),
        phrases("""
        It is slow, cluttered and does nothing of what it promises. | Even on a good day I find it infuriating to use.
        | The new design is hideous, and the simplest thing takes ten clicks.
        | It has cost me hours of work, and I warn everyone I meet against it.
        | Three crashes before lunch, shame on the developers.
        | The support never answered, and my data has been lost for good.
        | I hate how everything is hidden behind annoying pop-ups.
        | Once more something that is overpriced, buggy and a pain to look at.
        """),
    ),
    Category(
        lines("""
        I took the evening class in pottery at the community centre.
        The workshop on public speaking lasted for two days.
        My son goes to the swimming lessons on Wednesday.
        We joined the guided walk through the old town.
        There was a street festival in our quarter at the weekend.
        I had my first driving lesson in the rain.
        The museum has an exhibition of model ships.
        Our company held its summer party on a boat.
        I attended a talk about bees at the library.
        They organise a flea market under the bridge.
        The first-aid course is required for the licence.
        My parents invited us to the opera.
        """),
        phrases("""
        The teacher was inspiring, and I went home with a head full of ideas.
        | Well organised, lively and great value for the whole family.
        | I laughed a lot, met lovely people and learned more than I had hoped.
        | The atmosphere was magical, and nobody wanted to go home.
        | Time flew by, and I signed up for the next one straight away.
        | It was the highlight of my month, without any doubt.
        | Everybody got a warm welcome and all the help they needed.
        | A marvellous day that I would happily repeat tomorrow.
        """),
        phrases("""
        The man in charge was dull, and I went home with nothing but a headache.
        | Badly organised, lifeless and a waste of money for the whole family.
        | I yawned a lot, stood in endless queues and learned nothing at all.
        | The atmosphere was miserable, and people left long before the end.
        | Time crawled, and I asked for a refund straight away. | It was the low point of my month, without any doubt.
        | Everybody got a cold stare and none of the help they needed.
        | A ghastly day that I would not wish on my enemies.
        """),
    ),
    Category(
        lines("""
        A plumber came to look at the tap in our kitchen.
        I had my hair cut at the new place on the square.
        The moving company sent three men and a lorry.
        We changed our internet provider in the middle of the year.
        My car was at the garage for an inspection.
        The insurance took care of the damage to our roof.
        I sent my coat to the cleaner's by the town hall.
        The dentist was recommended to me by a neighbour.
        A courier picked up the parcel at nine.
        An agency helped us to look for a flat.
        The gardener comes every second Thursday.
        I called the hotline of the railway about my ticket.
        """),
        phrases("""
        He arrived on the dot, worked neatly and charged less than agreed.
        | They kept us informed at every step, and the result is flawless.
        | I have never been treated with so much care and respect.
        | The whole thing was done in an hour, quick, clean and cheerful.
        | An honest firm with skilled people, which is rare and precious.
        | My problem was solved on the spot, and I even got a discount.
        | They exceeded all my expectations, and I gladly left a tip.
        | The service is first class, so I will certainly stay with them.
        """),
        phrases("""
        He arrived three hours late, left a mess and charged double.
        | They kept us in the dark for weeks, and the result is a disaster.
        | I have never been treated with so little care and respect.
        | The whole thing dragged on for a month, slow, sloppy and sour.
        | A dishonest firm with untrained people, which makes me furious.
        | My problem was made worse, and I even got an extra bill.
        | They failed at the simplest task, and I want my money back.
        | The service is appalling, so I have cancelled everything.
        """),
    ),
    Category(
        lines("""
        I ordered the grey wool jumper in medium.
        Our new sofa was delivered on the first of March.
        The running shoes are the ones with the green sole.
        My aunt knitted a scarf for me.
        We bought a chair that you put together yourself.
        The rain jacket has two inner pockets.
        I got a rucksack for the walking holiday.
        For the hallway we chose a carpet with a pattern of leaves.
        The mattress came rolled up in a box.
        I picked a pair of jeans from the outlet.
        This armchair used to stand in a shop window.
        The pillow is filled with buckwheat.
        """),
        phrases("""
        The fabric is soft and warm, and the colour is even prettier than in the picture.
        | It goes with everything, and I get compliments from all who see it.
        | Sturdy, comfortable and elegant, it was worth every penny.
        | I wish I had found it years ago, that is how happy I am.
        | The workmanship is immaculate, and it still looks like new.
        | Light as a feather and wonderfully comfortable, even after a whole day.
        | It makes me smile each time I see it. | The finish is lovely, and it has brightened up my days.
        """),
        phrases("""
        The fabric is scratchy and thin, and the colour is nothing like the picture.
        | It goes with nothing, and visitors keep asking me what went wrong.
        | Wobbly, uncomfortable and ugly, it was not worth a penny.
        | I wish I had never seen it, that is how fed up I am.
        | The workmanship is a joke, and it already looks like a wreck.
        | Heavy as lead and terribly uncomfortable, even for ten minutes. | It makes me angry each time I see it.
        | The finish is shoddy, and it reeks of glue.
        """),
    ),
)
