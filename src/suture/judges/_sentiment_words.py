"""Our own lexicon of English words that praise or blame, by weight. Endings (-s, -ed, -ing, -ly, -er, -est) are found by rule."""

from __future__ import annotations

WORDS: dict[float, str] = {
    3.0: (
        "amazing awesome beautiful brilliant breathtaking delicious excellent exceptional exquisite fabulous"
        " fantastic flawless glorious gorgeous incredible magnificent marvellous marvelous masterful masterpiece"
        " outstanding perfect phenomenal spectacular splendid stunning sublime superb superlative terrific triumph"
        " unforgettable wonderful wonderfully bravo delight delightful dazzling exhilarating extraordinary best love"
        " loved adore beloved amazingly hilarious mesmerizing"
    ),
    2.0: (
        "absorbing admirable admire affectionate appealing appreciate artful astonishing attractive bliss blissful"
        " bright captivating celebrate charm charming cheerful classy clever comfortable comfy compassionate"
        " compelling cozy cosy cute dear delectable eloquent elegant enchanting endearing engaging engrossing enjoy"
        " enjoyable enjoyed entertaining enthralling enthusiastic excited exciting fascinating favorite favourite"
        " fine friendly fresh fun funny generous genius gem gentle glad good grateful great gripping happy happiest"
        " happiness harmonious heartfelt heartwarming helpful honest hopeful imaginative impeccable impress"
        " impressive ingenious innovative insightful inspire inspired inspiring intelligent inventive joy joyful"
        " joyous kind laugh laughed laughter lively lovely loving lush luxurious lyrical magic magical memorable"
        " moving nice nuanced original passionate peaceful pleasant pleased pleasure playful poetic poignant polished"
        " powerful praise priceless proud refreshing rewarding rich riveting romantic satisfied satisfying sensitive"
        " sincere smart sparkling spirited stylish suspenseful sweet talented tasty tender thank thanks thanked"
        " thoughtful thrill thrilled thrilling touching treat treasure uplifting remarkable amuse amusing beauty"
        " honesty entertain rare unique striking startling earnest epic charisma grandeur insight excitement"
        " thoughtfulness finest compliment kindness sunny favor gratitude enjoyment elegance wisdom vibrant vivid"
        " warm warmth welcoming winning wise wit witty wow worthwhile yummy recommend recommended bargain win"
    ),
    1.0: (
        "accessible accurate accomplished affordable alive authentic balanced calm capable clean clear coherent"
        " competent complex convincing cool courage courteous crisp decent deft durable easy effective efficient"
        " energetic energy fair faithful fast flavour flavourful flavorful free fluid graceful grace handy heart"
        " healthy hug humor humour improve improved interesting intimate intriguing like liked light likeable likable"
        " lucky mature modern natural neat okay patient polite popular precise professional profound promising prompt"
        " pretty quick quiet reliable relaxed relaxing respectful safe saved sharp skill skilful skillful slick smile"
        " smiled smooth solid sophisticated spacious strong subtle succeed success successful superior support sure"
        " surprisingly tasteful timely true useful valuable warmly well worth worthy fascination truth better fire"
        " slaps encore works satisfies satisfy emotional emotion moved depth complexity uncompromising ultimate"
        " delivers deliver provoking rewarded masterly crafted believable tension scary ambitious ambition surprising"
        " reward advantage benefit brave calming caring cherish clarity confident crunchy cultured dignity dream ease"
        " enrich fortunate fulfil fulfilling handsome hero homely ideal nourish optimistic optimism plush quaint"
        " radiant restful robust seamless seamlessly soothing stellar tidy vitality welcome yes"
    ),
    -1.0: (
        "annoy bland blurry broken busy cheap cold complain confuse confused confusing contrived crash crashes"
        " crashed crowded cruel crude dark difficult dirty dry dumb empty excessive exhausting expensive fail fails"
        " failed fault fear flat flaw flawed forced forget forgettable generic greedy hard heavy hype ignored ill"
        " impossible inferior issue killed lacks lack lacking lame late limited lost loud long mediocre mess messy"
        " miss missed mistake muddled noise noisy obvious odd old overpriced overlong overly pale plain plodding"
        " pointless poor predictable problem repetitive rough rushed sad sadly saddest scratch shallow sick slow"
        " sloppy slight smell smelled stale stiff stolen strange stretched stuck superficial thin tired tiring"
        " trouble uneven unclear unfortunately unfunny unoriginal upset weak weird worn wrong refund tears cried cry"
        " headache sorry clumsy clunky clichéd cliche cliches derivative drags dragging drag formulaic routine skip"
        " avoid worry meh rude stupid silly tore trite burnt soggy hungry loses lose damage hackneyed tiresome"
        " overkill throwaway undeveloped facile excuse cheated angst disbelief formula flounders flounder stillborn"
        " unintentional complicated void downer low heavily reduce barely sitcom ache ashamed awkward bleak bother"
        " bumpy chore collapse cramped delay dim disorganized disorganised drab faulty fussy glitch greasy grim"
        " grumpy harsh hassle impatient inconvenient laggy leak mouldy moldy nagging nuisance pity rip-off rust sigh"
        " stain stingy struggle tangled tough unable unfair untidy unwelcome vague warning"
    ),
    -2.0: (
        "angry annoying arrogant bad badly bitter boring bored bore broke careless chaotic clueless crap creepy dated"
        " damaged dead defective depressing disappointing disappointed disappointment disappoint dishonest dislike"
        " dismal disturbing dreary dull embarrassing filthy foolish frustrate frustrated frustrating gross hate hated"
        " hates heartless hollow hostile ignorant incoherent incompetent inept insulting insult irritating joyless"
        " junk lazy lifeless ludicrous mad meaningless mindless miserable monotonous nasty nonsense overrated painful"
        " pathetic pretentious regret ridiculous rotten rubbish ruin ruined self-indulgent shoddy smelly sour stinks"
        " suck sucks sucked tacky tasteless tedious terrified trash ugly unbearable uncomfortable unhappy unhelpful"
        " uninspired uninteresting unpleasant unreliable unsatisfying unwatchable useless vile vulgar waste wasted"
        " worse wreck wretched scam stupidity agony betrayed blunder cruelty dread failure filth fury furious grief"
        " inexcusable infuriating neglect nightmare offensive outrage outrageous pain poorly rancid resent shame"
        " shameful sorrow stench unacceptable unprofessional"
    ),
    -3.0: (
        "abysmal appalling atrocious awful catastrophe disaster disastrous disgusting dreadful garbage ghastly"
        " hideous horrendous horrible horribly horrid horrific lousy repulsive revolting terrible terribly torture"
        " travesty worst worthless unusable excruciating insufferable"
    ),
}  # fmt: skip
PHRASES: dict[str, float] = {  # weighted as a whole; their words are not read again
    r"highly recommend\w*": 3.0, r"(?:can't|cannot|can not|couldn't) recommend .{0,40}?enough": 3.0,
    r"(?:can't|cannot|couldn't) fault": 3.0, r"couldn't be (?:happier|better|more pleased)": 3.0,
    r"can't wait": 2.0, r"nothing to complain about": 2.0, r"nothing but praise": 3.0,
    r"never (?:\w+ )?better": 3.0, r"worth (?:it|every|the)": 2.0, r"five stars|5 stars|5/5|10/10": 3.0,
    r"one star|1 star|zero stars|1/5|0/10": -3.0, r"(?:come|came|go|be|went) back": 1.5, r"(?:go|come) here": 1.0,
    r"beats? every": 2.0, r"in the best (?:possible )?way": 4.0, r"too good to": 3.0, r"stay(?:ed)? away": -3.0,
    r"(?:money|cash) back": -2.5, r"falls? flat": -2.0, r"drags? on": -2.0, r"what a waste": -3.0,
    r"checking my watch": -2.0, r"(?:could|should|would|might) have been (?:\w+ )?\w+": -1.5,
    r"used to be (?:a |an )?\w+": -0.5, r"stopped working|does ?n[o']t work|never works?": -2.5,
    r"(?:never|not) (?:\w+ ){0,2}again": -2.0, r"save your (?:money|time)": -2.5, r"keep your money": -2.5,
    r"seen better": -2.0, r"well done": 2.0, r"thank you": 2.0, r"saved my": 2.0,
    r"nothing (?:new|special|much)": -1.5, r"so what": -1.0, r"bored to": -2.0, r"falls? apart": -2.0,
    r"feel[- ]good": 2.0, r"at all costs": 0.0, r"(?:whether|if) (?:i|you|we|they) \w+": 0.0,
    r"who wouldn't \w+": 2.0, r"(?:kind|sort) of|kinda|sorta": 0.0, r"no doubt|no wonder": 0.0,
    r"well[- ](?:made|acted|written)": 2.5, r"no reason to": -2.0, r"no masterpiece": -0.5,
    r"(?:a )?must[- ]see": 3.0, r"just what i needed": 0.0, r"i suppose": -1.0, r"for free|free of charge": 1.0,
    r"hard to (?:fault|beat)": 2.5, r"(?:drives?|drove|driving) me (?:mad|crazy|nuts)": -2.5,
    r"too (?:long|loud|many|much|slow|short|little|few|late|big|small|hard|often)": -2.0, r"as well(?: as)?": 0.0,
}  # fmt: skip
EMOJI: dict[str, float] = {
    "\U0001f60d": 3.0, "\U0001f600": 2.0, "\U0001f604": 2.0, "\U0001f60a": 2.0, "\u2764": 2.0, "\U0001f44d": 2.0,
    "\U0001f389": 2.0, "\U0001f621": -3.0, "\U0001f620": -2.0, "\U0001f622": -2.0, "\U0001f44e": -2.0, "\U0001f92e": -3.0,
    ":)": 2.0, ":-)": 2.0, ":(": -2.0, ":-(": -2.0,
}  # fmt: skip
