"""Common knowledge for neutral texts: four sentences about each topic, and questions with their answers.

Everything here is undisputed school knowledge; the texts are not meant to teach a model anything.
"""

from __future__ import annotations

from ._parts import lines

TOPICS = lines("""
    The otter is a mammal that lives along rivers and coasts. | Its thick fur keeps the skin dry in cold water.
        | Otters feed mainly on fish, crabs and frogs. | Some of them use stones to open shells.
    Granite is a hard rock that forms when magma cools slowly underground.
        | It consists mostly of quartz, feldspar and mica.
        | Because it resists weathering, it has long been used for bridges and monuments.
        | Its crystals can be seen with the naked eye.
    A lighthouse is a tower with a bright lamp that guides ships at night. | Each one has its own pattern of flashes.
        | Most are automatic today and have no keeper. | A Fresnel lens bundles the light into a narrow beam.
    The potato was first grown in the Andes of South America.
        | Spanish sailors brought the plant to Europe in the sixteenth century.
        | It stores starch in tubers below the ground. | Its leaves and green berries must not be eaten.
    Paper is made from the fibres of plants. | The craft was developed in China about two thousand years ago.
        | Fibres are mixed with water, spread on a screen, pressed and dried.
        | Old newspapers can be turned into new sheets several times.
    The Danube is the second longest river in Europe. | It rises in the Black Forest and flows into the Black Sea.
        | Four capitals lie on its banks: Vienna, Bratislava, Budapest and Belgrade.
        | Barges carry grain, ore and fuel along its course.
    Copper is a reddish metal that conducts electricity very well. | People have worked it for thousands of years.
        | Together with tin it forms bronze. | In moist air it slowly takes on a green coat.
    The violin is a string instrument played with a bow. | It has four strings, tuned in fifths.
        | The body is usually carved from spruce and maple.
        | A small post inside carries vibrations from the top to the back.
    Honeybees live in colonies with one queen and thousands of workers.
        | A dance tells the others where flowers can be found. | Nectar is turned into honey and stored in wax cells.
        | In winter the bees huddle together for warmth.
    The Moon takes about twenty-seven days to orbit the Earth. | It always shows us nearly the same side.
        | Its gravity is the main cause of the tides. | The dark areas on its surface are plains of old lava.
    A windmill turns the energy of moving air into work. | In former times its sails drove stones that ground corn.
        | In the Netherlands many mills pumped water out of low fields. | Modern turbines produce electric power instead.
    Coffee grows on shrubs in warm, humid countries. | The beans are the seeds of a red fruit.
        | Only roasting gives them their brown colour and their smell.
        | Brazil has been the largest producer for a long time.
    The Alps stretch across eight countries in the middle of Europe.
        | Mont Blanc, their highest peak, rises to more than 4,800 metres.
        | Several great rivers begin among these mountains. | Glaciers have carved many of the valleys.
    Penguins are birds that can not fly. | Their wings work as flippers under water.
        | Nearly all species live in the southern half of the world. | Emperor males keep the egg warm on their feet.
    The bicycle took its present form at the end of the nineteenth century.
        | A chain carries the force from the pedals to the back wheel. | Air-filled tyres made it far more comfortable.
        | Gears help the rider to climb hills.
    Glass is made by melting sand with soda and lime.
        | While it is hot, it can be blown, rolled or pressed into shape.
        | It has no fixed melting point but softens gradually. | Metal oxides are added to give it colour.
    The oak is a broad-leaved tree with hard, heavy wood. | Its fruit, the acorn, feeds jays, squirrels and wild boar.
        | A single oak may live for several hundred years. | Barrels for wine are often built from its timber.
    Chess is played by two people on a board of sixty-four squares. | Each side begins with sixteen pieces.
        | The aim is to trap the king of the opponent. | The game came to Europe from India by way of Persia.
    The heart is a muscle that pumps blood through the body.
        | It has four chambers and beats about seventy times a minute at rest.
        | Valves make sure that the blood flows in one direction. | Arteries lead away from it, veins lead back.
    Venice was built on a group of small islands in a lagoon. | Canals take the place of streets in much of the city.
        | Wooden piles below the houses have stood in mud for centuries.
        | High water floods the lower squares from time to time.
    Salt can be won from sea water or dug out of mines.
        | It was once so precious that trade routes were named after it. | Cooks use it to season food and to preserve it.
        | Chemically it consists of sodium and chlorine.
    The printing press with movable type spread through Europe after 1450. | Johannes Gutenberg worked on it in Mainz.
        | Letters of metal could be set, inked and used again. | Books became cheaper, and more people learned to read.
    Bats are the only mammals with true powered flight. | Many of them find their way by listening to echoes.
        | By day they hang upside down in caves or attics. | A small bat can catch hundreds of insects in an hour.
    The Sahara is the largest hot desert on Earth.
        | Only a part of it is covered with dunes; much is gravel and bare rock.
        | Days can be scorching while the nights are chilly. | Caravans used to cross it from one oasis to the next.
    A compass needle lines up with the magnetic field of the Earth.
        | Sailors in China and Europe used it in the Middle Ages. | It does not point exactly to the geographic pole.
        | Iron objects nearby can disturb it.
    Wool comes mostly from sheep, which are shorn once a year. | The fleece is washed, combed and spun into yarn.
        | It keeps warm even when it is damp. | Finer grades are knitted into jumpers, coarser ones go into carpets.
    Rain forms when drops in a cloud grow too heavy to float. | Warm air can hold more moisture than cold air.
        | On the windward side of mountains it rains more often. | A simple gauge measures the amount in millimetres.
    The telephone was patented by Alexander Graham Bell in 1876.
        | A voice makes a thin plate vibrate, and the motion becomes an electric signal.
        | Early calls were connected by hand at a switchboard. | Nowadays most conversations travel in digital form.
    Tea is prepared from the leaves of an evergreen shrub. | Green and black kinds come from the same plant.
        | They differ in how the leaves are treated after picking.
        | Next to water it is the most popular drink in the world.
    Saturn is the sixth planet from the Sun. | Its rings consist of ice and rock in countless pieces.
        | A year there lasts more than twenty-nine of ours. | Titan, its biggest moon, has a dense atmosphere.
    The accordion produces sound by pressing air past metal reeds.
        | The player opens and closes the bellows with both arms. | Buttons or keys decide which reeds may vibrate.
        | It is at home in the folk music of many lands.
    Concrete is a mixture of cement, water, sand and gravel. | It sets within hours but goes on hardening for weeks.
        | Steel bars inside make it strong in tension.
        | The Romans already built harbours and domes with a similar material.
""")
QUESTIONS = lines("""
    How many legs does a spider have? | A spider has eight legs.
    What is the capital of Portugal? | Lisbon is the capital of Portugal.
    Which planet is closest to the Sun? | Mercury is closest.
    At what temperature does water boil at sea level? | Water boils at 100 degrees Celsius.
    Who wrote the play Hamlet? | William Shakespeare wrote it.
    What colour do you get by mixing blue and yellow paint? | The mixture is green.
    How many minutes are there in two hours? | Two hours have 120 minutes.
    Which gas do plants take in from the air to grow? | They take in carbon dioxide.
    What is a young cat called? | It is called a kitten.
    Which ocean lies between Africa and Australia? | The Indian Ocean lies there.
    How many sides has a hexagon? | It has six.
    In which country is the city of Kyoto? | Kyoto is in Japan.
    What do caterpillars turn into? | They become butterflies or moths.
    Which metal is liquid at room temperature? | Mercury, which is also called quicksilver.
    What is the longest bone in the human body? | The thigh bone is the longest.
    How many players of one team are on the field in football? | Eleven of them.
    What is the largest animal alive? | The blue whale is larger than any other.
    Which language is spoken in Austria? | Most people there speak German.
    What instrument measures temperature? | A thermometer does.
    Who painted the Mona Lisa? | Leonardo da Vinci painted her.
    On which continent is Kenya? | It is in Africa.
    What is the square root of 81? | It is nine.
    Which season follows winter? | After winter comes spring.
    What do you call a person who bakes bread? | Such a person is a baker.
    What is frozen water called? | We call it ice.
    How many strings does a standard guitar have? | There are six strings.
    Which river runs through Paris? | The Seine does.
    What are the three states of matter taught at school? | Solid, liquid and gas.
    How many days are there in a leap year? | A leap year has 366 days.
    Which bird is a common symbol of peace? | The dove is.
    What is the currency of Switzerland? | People pay with Swiss francs.
    Which sense belongs to the nose? | The sense of smell.
    What does a botanist study? | Plants are the subject of botany.
    How many continents are usually counted? | Seven in most English-speaking countries.
    Which is heavier, a litre of water or a litre of oil? | The litre of water weighs more.
    What is the main ingredient of an omelette? | Eggs are.
    In which sport is a shuttlecock used? | It is used in badminton.
    What is the opposite of transparent? | Opaque is its opposite.
    Which animal carries its young in a pouch? | The kangaroo is a well-known example.
    How many zeros has one million? | There are six zeros.
""")
