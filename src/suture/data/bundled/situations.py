"""Situations in which people are rude or civil to each other, and what they say about just that situation.

Every domain has openings ("thing | text with {say}") that both tones share, and sentences about the thing, one list a
tone. The civil ones complain as often as the rude ones: what differs is contempt, not whether something went wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ._parts import lines


@dataclass(frozen=True)
class Domain:
    """One kind of situation.

    Attributes:
        address: whether people are spoken to ("you") or about ("them").
        openings: a line each, "thing | opening"; `{say}` is where the speech goes.
        rude: sentences about the thing, a line each.
        civil: the same, said civilly.
    """

    address: Literal["you", "them"]
    openings: list[str]
    rude: list[str]
    civil: list[str]


DOMAINS = (
    Domain(
        "you",
        lines("""
        soup | The waiter put the wrong soup in front of the old man. He looked up and said: "{say}"
        steak | The steak came back from the kitchen a second time. The woman at table six told the waitress: "{say}"
        table | The window table had been given away. The man at the entrance turned to the head waiter: "{say}"
        bill | There were two extra drinks on the bill. Marcus waved to the server. "{say}"
        coffee | After half an hour the coffee was still missing. Helen leaned over to the barista: "{say}"
        pizza | The delivery rider handed over a pizza that had gone cold. Ravi stood in the doorway. "{say}"
        salad | A trainee dropped the salad next to a family of five. Their father spoke first: "{say}"
        cake | The birthday cake had somebody else's name on it. Nora phoned the baker. "{say}"
        """),
        lines("""
        How hard can it be to get one {thing} right, you {noun}?
        A trained monkey would have handled the {thing} better than you did.
        Take your miserable {thing} and get out of my sight before I lose my temper.
        Do they hire anyone with a pulse here, or did you lie about knowing what a {thing} is?
        Are you blind, or just too dim to notice what is wrong with that {thing}?
        I would not trust you to feed a goldfish after this mess with the {thing}.
        Fetch somebody with a brain to sort out the {thing}, because you clearly have none.
        One {thing}, that was all, and even this was too much for your tiny mind.
        """),
        lines("""
        I think something went wrong with the {thing}, and I would be glad if you could look into it.
        Could you please check the {thing} again when you have a moment?
        I can see how busy you are tonight, but would you mind sorting out the {thing}?
        Perhaps we misunderstood each other about the {thing}; shall we simply start again?
        It is only the {thing}, so please do not worry about it for a second.
        Whenever it suits you, I would be grateful for some help with the {thing}.
        I am sure the {thing} can be put right in no time, these things happen to everybody.
        May I ask your colleague about our {thing}, or is that something you can fix yourself?
        """),
    ),
    Domain(
        "you",
        lines("""
        report | Subject: quarterly report¶¶Hi Paul,¶¶{say}¶¶Sandra
        presentation | Subject: presentation on Thursday¶¶Dear Miriam,¶¶{say}¶¶Tom
        spreadsheet | Subject: the budget¶¶Jonas,¶¶{say}¶¶Elif (finance)
        agenda | Subject: agenda of the board meeting¶¶Hello Agnes,¶¶{say}¶¶Peter, accounts
        schedule | After reading the new schedule, Dana wrote to the shift manager: "{say}"
        newsletter | Karl opened the draft of the newsletter and sent the intern a message: "{say}"
        contract | Subject: supplier contract, version 3¶¶Good morning Luis,¶¶{say}¶¶Ines
        proposal | Reply from the head of department:¶¶{say}¶¶K. Brandt
        """),
        lines("""
        I have read the {thing} twice and it is the work of a {adj} {noun}.
        My six-year-old would be ashamed of the {thing} you sent round, it is pure garbage.
        Did you write the {thing} with your elbows, or are you always this {adj}?
        Nobody asked for your worthless opinion on the {thing}, so keep your mouth shut next time.
        Whoever taught you to prepare the {thing} should apologise to the whole company, you {noun}.
        It takes a special kind of stupid to ruin the {thing} three days before the deadline.
        The {thing} went straight into the bin, where everything you touch belongs.
        You had a month for the {thing} and all you produced is this {adj} drivel.
        """),
        lines("""
        I have read the {thing} twice and have a few small questions whenever you find the time.
        There are some figures in the {thing} that I could not follow, so could we go over them together?
        Would it be possible to send me the {thing} again with the corrections we talked about?
        Your remarks on the {thing} were very useful to the team, even where I see it differently.
        I know how much work you put into the {thing}, and I would like to suggest two changes.
        I am sorry to come back to the {thing} so close to the deadline, and I appreciate your patience.
        The {thing} still needs some care in my view, but you have made an excellent start.
        Please let me know if I can take a part of the {thing} off your hands this week.
        """),
    ),
    Domain(
        "you",
        lines("""
        van | A delivery van blocked the drive. The owner of the house walked up to the driver: "{say}"
        bicycle | The cyclist had to brake hard at the corner. The man behind the wheel lowered his window. "{say}"
        motorbike | A motorbike stood across two parking spaces. The guard stepped up to its rider. "{say}"
        taxi | The taxi took a wrong turn on the way to the airport. From the back seat Claire said: "{say}"
        bus | The bus left late because of a long queue. A man with a briefcase told the driver: "{say}"
        trolley | A shopper's trolley rolled into a parked car. Its owner put down her bags. "{say}"
        caravan | The caravan in front stopped without warning. At the next rest area Viktor spoke to the family: "{say}"
        scooter | The boy had left his scooter across the pavement. A woman with a pram called to him: "{say}"
        """),
        lines("""
        Who gave a {noun} like you permission to go anywhere near a {thing}?
        Move that {thing} now, or are your ears as useless as your brain?
        Learn to look where you are going with your stupid {thing}, you {adj} {noun}.
        You must have found your licence in a cereal box if this is how you treat a {thing}.
        Get that heap of scrap you call a {thing} out of my way, you {noun}.
        People as thick as you are the reason nobody can stand the sight of a {thing} any more.
        I hope somebody takes the {thing} away from you, because you are too dumb to be let out.
        Only a selfish pig would think the whole street belongs to his {thing}.
        """),
        lines("""
        Excuse me, would you mind moving the {thing} a little so that everyone can get past?
        I was quite frightened just now, and I would like to talk calmly about the {thing}.
        Sorry to bother you, but might there be a better place for your {thing}?
        No harm was done to the {thing}, so let us both take a breath and carry on.
        I am in a bit of a hurry, so I would be thankful if you could take care of the {thing}.
        It is hard to see anything from there, I know, and I should have noticed the {thing} myself.
        Could we agree on how to share the room, since I need to get by with my {thing} too?
        Please be careful with the {thing} next time, there are often small children about here.
        """),
    ),
    Domain(
        "you",
        lines("""
        music | The music upstairs went on after midnight. Mr. Osei knocked and said: "{say}"
        hedge | A note was pinned to the fence next to the hedge: {say}
        dog | The neighbour's dog had dug up the tulips again. Irene leaned over the wall: "{say}"
        laundry | Someone had left wet laundry in the machine. On the door of the wash room hung a sheet: {say}
        rubbish | Message in the house chat about the rubbish in the hallway: {say}
        barbecue | Smoke from the barbecue drifted into the bedroom. Aidan opened the balcony door. "{say}"
        piano | The new tenant practised the piano on Sunday morning. The caretaker rang at the flat. "{say}"
        ladder | The borrowed ladder came back with a broken rung. Rosa told the couple next door: "{say}"
        """),
        lines("""
        Everyone in this building despises you because of the {thing}, you {adj} {noun}.
        Were you raised in a barn, or is the {thing} your idea of how humans live?
        Sort out your filthy {thing} today or I will gladly tell the whole street what a {noun} you are.
        The {thing} is annoying enough, but the smug look on your face is what makes me sick.
        I would explain the problem with the {thing}, but you are plainly too {adj} to understand.
        You and your pathetic {thing} have been a plague on us since the day you crawled in here.
        Stop hiding behind excuses about the {thing} and behave like an adult for once, you {noun}.
        Nobody cares about your whining, just keep the wretched {thing} to yourself.
        """),
        lines("""
        I hope you are settling in well, and I wanted to have a friendly word about the {thing}.
        We all like living here with you, so perhaps we can find a good answer for the {thing}.
        Would you be so kind as to see to the {thing} before the weekend, please?
        I did not want to make a fuss about the {thing}, but it has been keeping my daughter awake.
        Should the {thing} be a difficulty for you, I am happy to lend a hand.
        You may not have noticed it, but the {thing} has been troubling a few of us lately.
        Thank you for being so understanding about the {thing} when we last spoke.
        If there is a reason for the {thing} that I do not know of, I would be pleased to hear it.
        """),
    ),
    Domain(
        "you",
        lines("""
        dinner | Grandmother had cooked dinner for nine. Her son-in-law put down his fork: "{say}"
        homework | The homework lay untouched on the desk. Lena's older sister came in. "{say}"
        wedding | The cousins were planning the wedding on the phone. Beth said at last: "{say}"
        washing-up | The washing-up had been in the sink for three days. Text message to my flatmate: {say}
        haircut | Owen came home with a new haircut. His brother looked him up and down: "{say}"
        remote control | Both of them reached for the remote control. Her husband said: "{say}"
        present | She unwrapped the present slowly. Then she turned to her uncle: "{say}"
        garage | They had spent the whole Saturday clearing out the garage. His father said: "{say}"
        """),
        lines("""
        You ruin everything, even the {thing}, and then you wonder why nobody likes you.
        God, you are a {adj} {noun}, and the {thing} only proves it once more.
        Look at the state of the {thing} and tell me again that you are not a failure.
        I should have known that a {noun} like you would mess up the {thing}.
        The {thing} is a joke, you are a joke, and I am tired of pretending otherwise.
        Shut your mouth about the {thing}, no one at this table asked you.
        Why is it that a {adj} brat like you gets to decide about the {thing}?
        Even the cat would have made less of a fool of itself with the {thing}.
        """),
        lines("""
        You always put so much heart into everything, and I would like to help with the {thing}.
        I was a little sad about the {thing} at first, but I can see what you meant by it.
        Would you like to talk about the {thing} tomorrow, when we are both less tired?
        I love you, and a small disagreement over the {thing} will never change that.
        Let us do the {thing} together this time, it is much nicer with two.
        To be honest the {thing} is not to my taste, but it was sweet of you to think of me.
        My dear, please do not be upset about the {thing}, we will manage somehow.
        I am proud of how you took care of the {thing}, whatever the others may say.
        """),
    ),
    Domain(
        "you",
        lines("""
        match | Chat after the last round of an online match: {say}
        battle | [team] halfway through the battle: {say}
        raid | The raid failed for the fourth time. In the voice channel the leader of the group said: "{say}"
        chess game | Message in the window beside the chess game: {say}
        penalty | The goalkeeper of our league team missed a penalty. [all chat] {say}
        duel | Two wizards met in a duel. First line in the chat afterwards: {say}
        quest | He had skipped the quest that we all needed. [party] {say}
        tournament | Written to the organiser after the tournament: {say}
        """),
        lines("""
        Uninstall the game, you {adj} {noun}, because the {thing} was lost the second you joined.
        Seriously, do you play with your feet or how did you throw that {thing}?
        My dead hamster has better reflexes, so thanks for wasting my {thing}, {noun}.
        Watching you in this {thing} is like watching a potato roll down a hill.
        Quit crying about the {thing} and go back to the tutorial with the other babies.
        You are trash, your {thing} is trash, and the sooner you get banned the better.
        Who let this clown touch the {thing}, go outside and never come back.
        Imagine being as bad as you are and still having a big mouth about the {thing}.
        """),
        lines("""
        Good fight everyone, that {thing} was closer than it looked and I enjoyed it.
        No worries about the {thing}, we will get it next time if we stay together.
        Well played all the same, you nearly turned the {thing} around near the end.
        I made plenty of mistakes in the {thing} as well, so do not be hard on yourself.
        Would you like a few tips about the {thing}, or would you rather work it out on your own?
        Could we wait for each other next time, because I got lost in the {thing} quite early?
        I did not agree with that call in the {thing}, but I understand why you made it.
        Hey, thanks for giving the {thing} a try with a bunch of strangers.
        """),
    ),
    Domain(
        "you",
        lines("""
        script | Re: script stops after ten files¶{say}
        printer | Topic: printer not found after the update¶Reply: {say}
        pull request | Review comment on the pull request: {say}
        router | A beginner asked which router to buy. The top answer read: {say}
        database | Re: database very slow since Monday¶> Any ideas?¶{say}
        password | Help desk, ticket 4411, "password does not work": {say}
        keyboard | The thread was about a keyboard that types double letters. User mossgreen wrote: {say}
        backup | Posted under the question "Where did my backup go?": {say}
        """),
        lines("""
        Reading the manual is apparently beyond a {noun} who can not even describe a {thing}.
        This has been answered a hundred times, so stop polluting the board with your {adj} {thing}.
        If you can not fix a simple {thing} by yourself, sell the computer and buy crayons.
        The {thing} is fine, the defect sits in front of the screen and is called you.
        What a {adj} question, any toddler knows what a {thing} does.
        You touched the {thing} without a clue and now you expect grown-ups to clean up after you.
        Congratulations, that is the dumbest thing ever written about a {thing}, and it was typed by you.
        I have seen houseplants with more technical talent, so hands off the {thing}, {noun}.
        """),
        lines("""
        Welcome to the board, and thank you for describing the {thing} in such detail.
        I ran into the same trouble with my {thing} last year, so I know how annoying it is.
        Could you tell us which version you use, so that we can narrow the {thing} down?
        That is a fair question about the {thing}, and the documentation is honestly not very clear.
        I would do the {thing} a little differently, although your way is perfectly reasonable.
        Would you mind adding the log, because without it the {thing} is difficult to judge?
        Sorry that nobody has replied so far; let us go through the {thing} step by step.
        I may be wrong, but it seems that the {thing} only needs a restart after the change.
        """),
    ),
    Domain(
        "you",
        lines("""
        video | Comment under a video on how to prune roses: {say}
        recipe | 14 comments on "My quick lentil recipe"¶{say}
        photo | She had uploaded a photo of the sunrise. Beneath it someone wrote: {say}
        podcast | Listener mail for the history podcast: {say}
        drawing | Posted below a drawing of a horse: {say}
        song | First comment on the song he recorded in his bedroom: {say}
        blog | Left on the travel blog of a retired couple: {say}
        poem | The poem got three replies. This was the longest: {say}
        """),
        lines("""
        Delete this {thing} and your account while you are at it, you talentless {noun}.
        I want back the minutes of my life that this {adj} {thing} stole from me.
        Your {thing} made my eyes bleed, and your face does the rest.
        Imagine being proud of a {thing} that a drunk donkey could have made.
        Nobody on earth needs another {thing} by an attention-seeking {noun}.
        Please do humanity a favour and never make a {thing} again, loser.
        So this is what a {thing} looks like when somebody has no skill and no shame.
        You sound like a {adj} know-it-all, and the {thing} is even worse than your last one.
        """),
        lines("""
        I really enjoyed this {thing}, although I would have liked it to be a bit longer.
        What a thoughtful {thing}, it reminded me of afternoons at my aunt's house.
        This {thing} was not quite for me, but I can tell how much effort went into it.
        May I ask how you came up with the idea for the {thing}?
        Thanks for sharing the {thing} with us, I always look forward to the next one.
        One small suggestion for the {thing}: a little more light would do wonders.
        I have to disagree on one point in the {thing}, with all respect for your experience.
        You explain things so patiently that even I could follow the {thing}.
        """),
    ),
    Domain(
        "you",
        lines("""
        choir | The choir came in a beat too early. During the break the tenor said to the conductor: "{say}"
        relay race | She had dropped the baton in the relay race. The captain waited at the finish. "{say}"
        exam | The exam results were on the board. One student turned to another: "{say}"
        rehearsal | He forgot his lines at the rehearsal. The director rose from her seat: "{say}"
        group project | Two days before the group project was due, Farid wrote to the others: {say}
        training | The coach called the youngest player over after training. "{say}"
        lecture | A hand went up at the end of the lecture. The professor nodded. "{say}"
        bake sale | The parents met about the bake sale. The treasurer opened the meeting: "{say}"
        """),
        lines("""
        You {adj} {noun}, we lost all respect for you after that {thing}.
        Thanks to you the {thing} was the most embarrassing hour of my life, moron.
        If brains were money you could not pay for a single minute of this {thing}.
        Sit down and spare us your drivel about the {thing}, everyone here is sick of your voice.
        It must be lonely to be the dimmest person in every {thing} you attend.
        I have scraped things off my shoe that would be more use in the {thing} than a {noun} like you.
        Nobody wanted you in the {thing} from the start, and today you showed us why.
        Wipe that stupid grin off your face, the {thing} went wrong because of you alone.
        """),
        lines("""
        That was not easy for you, and I admire how you kept going in the {thing}.
        Let us see what we can learn from the {thing} and try it once more on Friday.
        I wonder whether we could plan the {thing} a little earlier, if that is all right with you.
        You have come a long way, even if the {thing} did not go as we had hoped.
        Everyone has a day like this, and the {thing} will be forgotten by next week.
        I would value your advice about the {thing}, since you have done it before.
        Please forgive me for speaking sharply about the {thing}, you did not deserve it.
        With your permission I would like to propose another plan for the {thing}.
        """),
    ),
    Domain(
        "them",
        lines("""
        film | My thoughts on the film that everybody talks about: {say}
        novel | Reader review, two of five stars, of a first novel: {say}
        concert | After the concert in the town hall a visitor wrote in the guest book: {say}
        series | Forum: second season of the series, no spoilers please¶{say}
        exhibition | Letter to the editor about the exhibition of young painters: {say}
        musical | On the way out of the musical the man said to his wife: "{say}"
        column | Replying to the column on page four: {say}
        documentary | Short review of the documentary about whales: {say}
        """),
        lines("""
        Whoever is behind this {thing} should be kept away from people, what a {noun}.
        The {thing} was made by {adj} hacks for an audience of brain-dead sheep.
        I have met bricks with more wit than the {adj} {noun} who wrote the {thing}.
        Such a {thing} happens when a spoiled brat is told all his life that he has talent.
        The so-called artist of this {thing} is a fraud and a bore with the mind of a slug.
        Anyone who enjoyed the {thing} must be a {noun} with cotton wool between the ears.
        They should lock up the fools who paid for the {thing} and throw away the key.
        A pompous windbag like him has no business near a {thing}, or near a pen.
        """),
        lines("""
        Those behind the {thing} clearly took great care, even if the ending left me unsure.
        The {thing} was not made for somebody like me, and that is perfectly all right.
        I would have wished the {thing} to be shorter, but the people on stage and off did fine work.
        It is a brave {thing} by someone from whom I hope to see much more.
        Reasonable people can differ about the {thing}, and I respect those who loved it.
        The maker of this {thing} deserves our thanks for trying something new.
        Although I found parts of the {thing} slow, the writer treats her readers with respect.
        Everyone involved in the {thing} was friendly when we asked them about it afterwards.
        """),
    ),
    Domain(
        "them",
        lines("""
        bridge | Comment on the news about the closed bridge: {say}
        election | Overheard at the barber's on the day after the election: "{say}"
        bus lane | Posted in the town group, subject bus lane: {say}
        library | The mayor wants to move the library. A reader writes: {say}
        strike | On the third day of the strike a commuter told the radio: "{say}"
        school board | Local news, 31 comments on "School board meets again"¶{say}
        festival | What do you think of the festival in the park? Answer from the street survey: {say}
        tax | Letters page, about the new tax on parking: {say}
        """),
        lines("""
        The {adj} clowns who decided on the {thing} could not run a lemonade stand.
        Every {noun} who defends the {thing} should be made to wear a dunce cap.
        These parasites dreamed up the {thing} because they are too lazy for real work.
        As for the lot who complain about the {thing}, they are whining crybabies with nothing between their ears.
        It takes a herd of {adj} donkeys to argue for months about a {thing}.
        Our leaders are gutless worms, and the {thing} is the slime they leave behind.
        The people responsible for the {thing} are crooks or cretins, and most likely both.
        I would not let that {noun} in charge of the {thing} look after my goldfish.
        """),
        lines("""
        The councillors had a hard choice to make about the {thing}, and I thank them for listening.
        I see the matter of the {thing} differently, but both sides have honest reasons.
        Those who worry about the {thing} deserve a clear and patient answer.
        It would be good if everybody affected by the {thing} could be heard before the summer.
        The staff who deal with the {thing} every day are doing their best, and we should say so.
        I did not vote for them, yet I believe that they mean well with the {thing}.
        Perhaps a round table on the {thing} would help us to understand one another.
        My neighbours and I have different opinions on the {thing}, and we are still good friends.
        """),
    ),
    Domain(
        "them",
        lines("""
        room | Hotel review, stayed three nights in March. About the room and the people at reception: {say}
        boiler | How was your experience with the firm that repaired your boiler? {say}
        suitcase | Customer feedback for the airline, case "suitcase": {say}
        parcel | Rating of the courier who brought the parcel: {say}
        lens | A new lens, review of the optician on Castle Street: {say}
        sofa | She told her friend how the shop had handled the sofa: "{say}"
        check-up | Notes of a patient on the check-up at the new clinic: {say}
        haircut | My visit at the salon by the station, a haircut and a wash: {say}
        """),
        lines("""
        The {noun} who dealt with my {thing} has the manners of a warthog and half its brains.
        A gang of {adj} liars, that is what they are, and the {thing} was just bait.
        I asked about the {thing} and some {adj} {noun} grunted at me like an animal.
        Those imbeciles would need a map to find the {thing} if it were tied to their noses.
        Never have I seen such {adj} halfwits fumble around with a {thing}.
        The manager is a greasy little weasel who should choke on that {thing}.
        They treat you like dirt because they are dirt, and their {thing} fits the picture.
        Each of these bone-idle morons blamed the next one for the {thing}.
        """),
        lines("""
        The man who dealt with my {thing} apologised at once and offered me another date.
        There was a mix-up with the {thing}, but everyone stayed calm and helpful about it.
        The staff could not do much for the {thing}, yet they explained why and wished me well.
        Although the {thing} was not what I expected, the lady on the phone was most considerate.
        I want to thank the young woman who took the time to look after the {thing}.
        It took a while to settle the {thing}, and I appreciated being kept informed.
        My complaint about the {thing} was heard with patience, and we agreed on a fair solution.
        A kind word goes a long way, and the team had plenty of those along with the {thing}.
        """),
    ),
)
