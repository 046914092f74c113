"""Which pieces are one work, and which works are held out.

A model must not be tested on another edition, movement or setting of what it was trained on. File
names are all there is to tell: `keys` reads from each the names of what it belongs to (an opus, a
source's item, a tune's title), by the rules of its collection, and `assign` puts pieces that share
any key into one work. A collection without rules of its own gets `_plain`: folder and title.

Where a rule must choose, it puts too much together rather than too little: all the songs of one
opus are a work, and so are "Dan Sweeney's 1" and "2", polka or reel.

The work's name decides whether it is held out, by a hash: a piece stays on its side when others
are added, unless the addition joins two works.

>>> assign([("cre", "HumorsofTullareel.mid"), ("ryans_mammoth", "00412-X.abc_1_Humours_of_Tulla_--_Reel.mid")])
['tune/humorsoftulla', 'tune/humorsoftulla']
>>> assign([("chopin_first_editions", "00104-kern_018-1a-Sm-001.mid")])
['chopin/op-18']
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePosixPath

_INDEX = re.compile(r"^\d{5}-")  # the position that the shared archives put before each name

_BOOK = re.compile(r"\.abc#(?=[^/]*$)")  # a tune of a book: its number and title follow

# -- dance tunes -------------------------------------------------------------------------------

# What a collection's names carry around the title itself.
_TUNE_TITLES = {
    "cre": re.compile(r"^(?P<title>.+)$"),
    "oneills1850": re.compile(r"^.*?\.abc_\d+_(?P<title>.+)$"),
    "ryans_mammoth": re.compile(r"^.*?\.abc_\d+_(?P<title>.+)$"),
    "airds": re.compile(r"^.*?\.abc_\d+_(?P<title>.+)$"),
}
_KINDS = (
    "slipjig|doublejig|singlejig|reel|jig|hornpipe|hpipe|polka|slide|strathspey|strathsy|clog|"
    "highlandfling|fling|march|quickstep|waltz|air|lancashireclog|schottische|barndance|setdance|minuet"
)
_TUNE_TAIL = re.compile(
    rf"(?:{_KINDS}|originalversion|(?:1st|2nd|3rd|first|second|third)(?:setting|version)|"
    r"(?<=[a-z]{3})(?:i{2,3}|iv)|\d+)$"
)
# "BurntOldManThe", "Peeler's Jacket, The", "The_Sligo_Maid", "ALassieFair"
_ARTICLES = re.compile(
    r"^(?:[Tt]he|[Tt]HE|An?|AN)(?=[_ ]|[A-Z][a-z])|(?:(?<=[a-z0-9)])(?:The|An|A)|[_ ,]+(?i:the|an|a))[. ]*$"
)
_SPELLINGS = (("humour", "humor"), ("favourite", "favorite"), ("colour", "color"), ("honour", "honor"))
_NAMELESS = re.compile(
    rf"^(?:|ado|do|ditto|the|another|gavotte|irish|favorite|scots|cotillon|allemand[ae]|untitled|{_KINDS})$"
)


def _tune(collection: str, stem: str) -> tuple[str, ...]:
    found = _TUNE_TITLES[collection].match(stem)
    title = tune_title(found["title"]) if found else ""
    return (_own(collection, stem),) if _NAMELESS.match(title) else (f"tune/{title}",)


def tune_title(text: str) -> str:
    """A tune's title without articles, kind of dance, setting, punctuation, spaces and case.

    >>> {tune_title(t) for t in ("HighPartoftheRoadThe", "The High Part of the Road (reel)", "High_Part_Of_The_Road_2")}
    {'highpartoftheroad'}
    """
    squashed = _squash(_ARTICLES.sub("", text))
    for spelling, usual in _SPELLINGS:
        squashed = squashed.replace(spelling, usual)
    while len(shorter := _TUNE_TAIL.sub("", squashed)) < len(squashed):
        squashed = shorter
    return squashed


# -- songs and quartets ------------------------------------------------------------------------

_OPENSCORE = re.compile(r"^(?P<set>(?:(?!___).)+)_\d+[a-z]?_(?=[A-Z_]|untitled).+_lc\d+$")
_OPENSCORE_SINGLE = re.compile(r"^(?P<set>.*___.+)_lc\d+$")
_CHOPIN_SONGS = re.compile(r"Chopin.*Op\.(\d+)")
# Long names lost their beginning, so a set is known by the end of its name.
_SET_LENGTHS = {"openscore_lieder": 16, "openscore_quartets": 30}


def _openscore(collection: str, stem: str) -> tuple[str, ...]:
    if chopin := _CHOPIN_SONGS.search(stem):
        return (f"chopin/op-{int(chopin[1])}",)
    found = _OPENSCORE.match(stem) or _OPENSCORE_SINGLE.match(stem)
    if collection == "openscore_quartets":
        found = re.match(r"^(?P<set>.+)_sq\d+$", stem)
    return (f"{collection}/{_squash(found['set'])[-_SET_LENGTHS[collection] :]}" if found else _own(collection, stem),)


def _lead_sheet(collection: str, stem: str) -> tuple[str, ...]:
    """The title stands twice at the end of the name, the second time whole."""
    repeated = re.search(r"(?:^|_)(?P<title>.{3,})_(?P=title)$", stem)
    title = _squash(repeated["title"] if repeated else stem)
    return (f"song/{re.sub(r'^(?:the|an|a(?=[^a-z]))', '', title)}",)


# -- Chopin's first editions and the Polish sources --------------------------------------------


def _chopin_edition(collection: str, stem: str) -> tuple[str, ...]:
    """`kern_028_1-12-1a-C-001`: opus, numbers, printing, publisher, movement."""
    found = re.match(r"^kern_(?:(?P<opus>\d{3})|(?P<name>[A-Za-z]+))", stem)
    if not found:
        return (_own(collection, stem),)
    return (f"chopin/op-{int(found['opus'])}" if found["opus"] else f"chopin/{found['name'].lower()}",)


_POLISH = re.compile(r"^(?:(?P<source>.*?)_(?P<composer>[^_]*)|(?P<cropped>.*?))--(?P<title>(?:(?!--).)+)$")
_SOURCE = re.compile(r"^(?:.*kern_)?(?P<shelf>.*?)(?:--(?P<item>\d{3})(?:-\d{3})?)?(?:--?[a-z]+\d?)?$")
_SHELF_LENGTH = 10  # as above: a shelf mark is known by its end
_OPUS = re.compile(r"(?:^|-)op-(\d+)")
_CHOPIN_CROPPED = re.compile(r"^(?:second-)?concerto-pour-le-piano-avec-acco.*-op-(11|21)-")
# Books whose pieces have names so long that their composer, or their title's beginning, is cropped.
_BOOKS = (
    (re.compile(r"(?:^|-)pro-festis-totius-anni|^-*motettorum-"), "motettorum-pro-festis"),
    (re.compile(r"(?:^|-)totius-anni-|^s-anni-"), "offertoria-et-communiones-totius-anni"),
    (re.compile(r"(?:^|-)zamoyskich-|ktory-w-oce-mgnieniu$"), "kancjonal-zamoyskich"),
    (re.compile(r"-ludu-galicyjskiego-"), "piesni-ludu-galicyjskiego"),
    (re.compile(r"-de-la-pologne-op-93-"), "chants-religieux-de-la-pologne"),
    (re.compile(r"(?:^|-)flibustierowie-"), "monbar-czyli-flibustierowie"),
    (re.compile(r"-kasprowicza-op-5-"), "fragmenty-kasprowicza"),
    (re.compile(r"etudes-caprices-pour-violon"), "l-ecole-moderne"),
)
_MOVEMENTS = frozenset(
    """kyrie kyri kirie christe gloria credo patrem sanctus benedictus agnus osanna hosanna dona qui quoniam
    cum et domine crucifixus incarnatus resurrexit graduale offertorium introitus communio sequentia tractus
    alleluia dixit confitebor beatus laudate laudamus magnificat nisi lauda sicut laetatus memento ite in
    dies lacrimosa tuba rex recordare libera requiem lux absolve gratias adoramus benedicamus requiescat racz
    quia deposuit esurientes suscepit fecit domine sumpsit virgo mater speculum rosa salus regina janua causa
    allegro allegretto andante andantino adagio largo larghetto lento presto prestissimo vivace moderato
    maestoso grave menuetto menuet minuetto minuet trio rondo scherzo finale final polonaise polonez marcia
    allemande courante sarabande gigue intermezzo introduzione introducione introduction romance aria
    recitativo recitatyw duetto duet chor tercet kwartet ensemble marsz akt scena scene no nr nro n numer
    i ii iii iv v vi vii viii ix x xi xii wstep piesn ofertorium gradual post partytura pc0 pc1 pc2 pars""".split()
)
_PLAIN_TITLES = frozenset(
    """missa msza mazur mazurek mazurka polonez polonaise polones polonoise pollonaise walc walz valse valc waltz
    krakowiak sinfonia symfonia symphonia sonata partita vesperae nieszpory litania litaniae offertorium aria
    duetto motetto mottetto graduale alleluia kyrie gloria credo sanctus benedictus agnus introit introitus
    communio menuet menuetto marsz marche march keyboard piece praeambulum preambulum fuga preludium prelude
    kotylion kontredans galop galopada polka anglez oberek kujawiak dumka piesn piesni lied song tance taniec
    nro no nr numer tractus responsorium antiphona hymnus psalm psalmus pastorella requiem thema cadencya andante
    allegro adagio largo ave maria pieces etude etudes nokturn nocturne wals deo gratias introitus pastorales""".split()
)


def _polish(collection: str, stem: str) -> tuple[str, ...]:
    """`..._kern_pl-cz--iii-105--001-009_dankowski-adalbert--missa-d-benedictus`."""
    found = _POLISH.match(stem)
    composer, title = (found["composer"] or "", found["title"]) if found else ("", stem)
    opus, chopin = _OPUS.search(title), _CHOPIN_CROPPED.match(title)
    if chopin or (opus and composer == "chopin-fryderyk"):
        return (f"chopin/op-{chopin[1] if chopin else opus[1] if opus else ''}",)
    keys = [_source_key((found and found["source"]) or ""), *_book_keys(title)]
    keys += [f"polish/{composer}/op-{opus[1]}"] if opus and composer not in ("", "anonim") else []
    keys += [*_title_keys(composer, title)] if composer else []
    return tuple(key for key in keys if key) or (_own(collection, stem),)


def _source_key(source: str) -> str:
    found = _SOURCE.match(source)
    shelf = found["shelf"] if found else ""
    if not found or len(shelf) < _SHELF_LENGTH:
        return ""
    return f"polish/source/{shelf[-_SHELF_LENGTH:]}/{found['item'] or ''}"


def _book_keys(title: str) -> list[str]:
    """Long titles begin with their book's; where the composer is cropped, that is all there is."""
    named = next((book for pattern, book in _BOOKS if pattern.search(title)), "")
    words = title.split("-")
    begun = [f"polish/book/{'-'.join(words[:3])}"] if len(words) >= 8 else []
    return [f"polish/book/{named}"] if named else begun


def _title_keys(composer: str, title: str) -> Iterator[str]:
    """The whole title, and what stands before its movement's name."""
    words = title.split("-")
    end = next((i for i, word in enumerate(words) if i and (word in _MOVEMENTS or word.isdigit())), len(words))
    # "missa in c": that is the title, though "in" may also begin a movement's.
    if words[end : end + 1] == ["in"] and len(words) > end + 1 and len(words[end + 1]) <= 3:
        end += 2
    least = 4 if composer == "anonim" else 2
    for part in (words, words[:end]):
        if len(part) >= least or not all(word in _PLAIN_TITLES or len(word) < 3 for word in part):
            yield f"polish/{composer}/{'-'.join(part)}"


# -- any collection ----------------------------------------------------------------------------

_VERSION = re.compile(r"(?:[ ._-]*(?:\(\d+\)|\.\d+|\bv(?:er(?:sion)?)? ?\d+))+$")


def _plain(collection: str, stem: str) -> tuple[str, ...]:
    """Folder and title; `Song.mid`, `Song (2).mid` and `Song.1.mid` are versions of one."""
    path = PurePosixPath(stem)
    title = _squash(_VERSION.sub("", path.name)) or path.name
    return ("/".join((collection, *path.parts[:-1], title)),)


def _own(collection: str, stem: str) -> str:
    return f"{collection}/{stem}"


def _ascii(text: str) -> str:
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()


def _squash(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _ascii(text))


_RULES: dict[str, Callable[[str, str], tuple[str, ...]]] = {
    "cre": _tune,
    "oneills1850": _tune,
    "ryans_mammoth": _tune,
    "airds": _tune,
    "openscore_lieder": _openscore,
    "openscore_quartets": _openscore,
    "openewld": _lead_sheet,
    "chopin_first_editions": _chopin_edition,
    "polish_scores": _polish,
}


def keys(collection: str, file: str) -> tuple[str, ...]:
    """What a piece belongs to, at least one key; two pieces with a key in common are one work.

    Args:
        collection: the archive's or folder's name.
        file: the path inside it, with "/" and its ending.
    """
    path = PurePosixPath(file)
    if _BOOK.search(file):
        stem = _BOOK.sub(".abc_", file).replace(" ", "_")
    else:
        stem = str(path.with_suffix("")) if path.suffix else file
    return _RULES[collection](collection, _INDEX.sub("", stem)) if collection in _RULES else _plain(collection, stem)


def assign(pieces: Sequence[tuple[str, str]]) -> list[str]:
    """The work of each (collection, file): the least key of all pieces joined by shared keys."""
    parent: dict[str, str] = {}
    firsts = []  # not all keys: they'd be most of a large corpus's memory
    for piece in pieces:
        first, *others = keys(*piece)
        for other in (first, *others):
            a, b = sorted((_root(parent, first), _root(parent, other)))
            parent[b] = a
        firsts.append(first)
    return [_root(parent, first) for first in firsts]


def _root(parent: dict[str, str], key: str) -> str:
    while (above := parent.setdefault(key, key)) != key:
        parent[key] = parent[above]
        key = above
    return key


def held_out(work: str, share: float) -> bool:
    """Whether a work is held out: true for about `share` (0..1) of all names, always the same."""
    digest = hashlib.blake2b(work.encode(), digest_size=8, person=b"melodylc-heldout").digest()
    return int.from_bytes(digest, "big") < share * 2**64
