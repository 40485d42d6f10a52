"""Our own small lexicon of English insults, swearing and slighting words, by strength. Slurs are left out but for a few.

Weights: 1 and more is toxic by itself; what is below needs someone it is aimed at (see `toxicity`). An asterisk at the end
stands for any ending.
"""

from __future__ import annotations

STRONG = 1.0  # swearing that few would print, and words with no other use than to degrade
INSULT = 0.9  # a rude name for a person or a body
CHARGE = 0.6  # an insult when it is thrown at someone, else a word of news and stories
SLIGHT = 0.5  # says something bad of a person, but as well of things
ANIMAL = 0.3  # an insult only when someone is called so
SWEAR = 0.3  # mild swearing, at nothing in particular

WORDS: dict[float, str] = {
    STRONG: (
        "fuck* motherfuck* clusterfuck* mindfuck* cunt* asshole* arsehole* bitch bitches bitching bitchy bastard*"
        " shithead* shitty shit shits bullshit* horseshit dipshit* shitshow wanker* twat* dickhead* prick pricks"
        " cocksuck* douche* slut* whore* skank* faggot* fag fags nigg* retard retards retarded tranny libtard*"
        " fucktard* stfu kys gtfo dumbass* jackass* smartass* fatass* asshat* ass-kiss* pussies blowjob* handjob*"
        " cumshot* jizz jerkoff tosser* bellend* knobhead* scumbag* shitbag* turd turds subhuman* untermensch* pedo"
        " pedos"
    ),
    INSULT: (
        "idiot* moron* imbecile* cretin* fool fools dumbo dimwit* halfwit* nitwit* dunce* dolt* simpleton* numskull*"
        " blockhead* bonehead* airhead* loser* weirdo* perv pervs slob* scum vermin lowlife* degenerate* sissy"
        " sissies crybaby hag hags bimbo* nutjob* wacko* crackpot* muppet* jerk jerks twerp* prat prats pillock*"
        " plonker* numpty oaf* lout* ignoramus snowflake* sheeple tits boobs horny milf skinhead* swine ass asses"
        " arse pussy dickhead knob wuss* ratbag* toerag* sod gasbag* windbag* simp simps trumptard* tard tards"
        " arsewipe* butthole* buttplug* nutsack fart dummy dummies screwball* ding-dong nincompoop* pea-brain*"
        " pinhead* meathead* fathead* birdbrain* egomaniac* scoundrel* thicko bozo* schmuck* putz"
    ),
    CHARGE: (
        "failure freak freaks creep creeps pervert perverts filth parasite* coward* wimp* brat brats tramp thug*"
        " goon* crook* liar* cheat hypocrite* traitor* bigot* lunatic* psycho* maniac* nutcase* clown clowns buffoon*"
        " yob* commie* brainwashed stooge* sycophant* pimp pimps nazi* rapist* savages barbarian* troll trolls bully"
        " bullies shill* terrorist terrorists demon demons monster monsters devil antichrist tyrant tyrants thief"
        " thieves murderer murderers addict addicts junkie junkies"
    ),
    SLIGHT: (
        "stupid* dumb dumber dumbest idiotic moronic imbecilic asinine foolish brainless clueless mindless spineless"
        " gutless worthless useless pathetic disgusting repulsive revolting vile despicable contemptible filthy nasty"
        " ugly fat smelly stinking rotten dirty crazy insane deranged demented braindead brain-dead senile ignorant"
        " illiterate incompetent inept lazy spoiled whiny slimy sleazy shameless disgrace disgraceful trash garbage"
        " rubbish crap crappy ridiculous laughable arrogant obnoxious insufferable corrupt evil sick sicko smug"
        " pompous cowardly slutty trashy hideous wicked hateful racist* sexist* perverted inferior lying miserable"
        " suck sucks dick dicks cock cocks butthurt retardation vagina penis penises anal masturbat* porn* nipple*"
        " orgasm* erection*"
    ),
    ANIMAL: (
        "pig pigs cow cows dog dogs rat rats snake snakes donkey donkeys ape apes monkey monkeys worm worms sheep"
        " cockroach cockroaches leech leeches maggot maggots toad weasel goat hyena hyenas potato cabbage doughnut"
        " animal animals dinosaur vulture vultures skunk slug lapdog whale"
    ),
    SWEAR: "damn damned goddamn* damnit dammit hell bloody bugger* piss pissed pissing crikey frigging freaking effing heck",
}
