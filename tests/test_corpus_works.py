"""Works from names: the real ones, a table of who belongs together."""

import pytest

from melodylc.data.works import assign, held_out, keys, tune_title

TOGETHER = {
    "editions of an opus, two collections": [
        ("chopin_first_editions", "00035-kern_011-1a-Sm-001.mid"),
        ("chopin_first_editions", "00036-kern_011-1ax-KI-001.mid"),
        (
            "polish_scores",
            "00000-n-fryderyk--concerto-pour-le-piano-avec-accopagnament-d-orchestre-op-11-i-allegro-maestoso.mid",
        ),
        (
            "polish_scores",
            "00001-02_chopin-fryderyk--concerto-pour-le-piano-avec-accopagnament-d-orchestre-op-11-ii-romance.mid",
        ),
    ],
    "songs of an opus, two collections": [
        ("chopin_first_editions", "00176-kern_074-1-G-001.mid"),
        ("openscore_lieder", "00315-scores_Chopin__Fr_d_ric_Op.74_1__yczenie_lc30707789.mid"),
    ],
    "numbers of an opus printed apart": [
        ("chopin_first_editions", "00115-kern_048_1-1a-Sm-001.mid"),
        ("chopin_first_editions", "00117-kern_048_2-1a-Sm-002.mid"),
    ],
    "movements of a mass": [
        ("polish_scores", "00239-pl-cz_kern_pl-cz--i-8--001-007_danka--missa-es-benedictus.mid"),
        ("polish_scores", "00233-pl-cz_kern_pl-cz--i-8--001-001_danka--missa-es-kyrie.mid"),
    ],
    "copies of a mass": [
        ("polish_scores", "00483-pl-cz_kern_pl-cz--iii-99--001-001_dankowski-adalbert--missa-d-kyrie.mid"),
        ("polish_scores", "00492-pl-cz_kern_pl-cz--iii-105--001-002_dankowski-adalbert--missa-d-gloria.mid"),
    ],
    "songs of a cycle in two sources": [
        (
            "polish_scores",
            "07159-pl-wtm_kern_pl-wtm--r-1740-m--001-002_moniuszko-stanislaw--sonety-krymskie-cisza-morska.mid",
        ),
        (
            "polish_scores",
            "07539-pl-wtm_kern_pl-wtm--r-563-m--001-001_moniuszko-stanislaw--sonety-krymskie-cisza-morska.mid",
        ),
    ],
    "an opera whose names are cropped": [
        (
            "polish_scores",
            "07791-czyli-flibustierowie-partytura-fortepianowa-akt-i-5-duettino-scena-recit-ativo-et-cavatina.mid",
        ),
        (
            "polish_scores",
            "07799-obrzynski-ignacy-feliks--monbar-czyli-flibustierowie-partytura-fortepianowa-akt-ii-13-solo.mid",
        ),
    ],
    "movements of a quartet": [
        (
            "openscore_quartets",
            "00090-s_Mozart__Wolfgang_Amadeus_String_Quartet_No.18_in_A_major__K.464__Op._10__No._5_sq7070781.mid",
        ),
        (
            "openscore_quartets",
            "00093-s_Mozart__Wolfgang_Amadeus_String_Quartet_No.18_in_A_major__K.464__Op._10__No._5_sq7093885.mid",
        ),
    ],
    "a song cycle, one name cropped": [
        ("openscore_lieder", "00081-scores_Boulanger__Lili_Clairi_res_dans_le_ciel_4_Un_po_te_disait_lc5857981.mid"),
        (
            "openscore_lieder",
            "00090-langer__Lili_Clairi_res_dans_le_ciel_1_Elle__tait_descendue_au_bas_de_la_prairie_lc5852737.mid",
        ),
    ],
    "a tune in three books": [
        ("cre", "MouseintheCupboardThe.mid"),
        ("oneills1850", "00001-0001-0050.abc_2_The_Mouse_In_The_Cupboard.mid"),
        ("ryans_mammoth", "00001-MouseReel.abc_1_MOUSE_IN_THE_CUPBOARD_--_REEL.mid"),
        ("airds", "00001-book1.abc_0002_Mouse_in_the_Cupboard_The..mid"),
    ],
    "settings of a tune": [("cre", "TempleglantineReel1The.mid"), ("cre", "TempleglantineReel2The.mid")],
    "versions of any song": [
        ("mine", "Artist/Song.mid"),
        ("mine", "Artist/song (2).mid"),
        ("mine", "Artist/Song.1.mid"),
    ],
}
APART = [
    ("chopin_first_editions", "00008-kern_005-1-SC.mid"),
    ("chopin_first_editions", "00038-kern_050-1-ME-001.mid"),
    ("chopin_first_editions", "00182-kern_MEG-1a-BB.mid"),
    ("polish_scores", "06774-pl-wtm_kern_pl-wtm--r-1369_stefani-jozef--mazur.mid"),
    ("polish_scores", "06739-pl-wtm_kern_pl-wtm--r-1337--001_stefani-jozef--mazur.mid"),
    ("polish_scores", "00619-pl-cz_kern_pl-cz--iii-193--001-005_elsner-jozef--missa-b-op-47-agnus.mid"),
    ("polish_scores", "00639-pl-cz_kern_pl-cz--iii-196--001-006_elsner-jozef--missa-a-op-81-agnus.mid"),
    ("openscore_quartets", "00017-scores_Borodin__Alexander_String_Quartet_No.1_sq8811375.mid"),
    ("openscore_quartets", "00018-scores_Borodin__Alexander_String_Quartet_No.2_sq10675759.mid"),
    ("openscore_lieder", "00151-scores_Brahms__Johannes_6_Songs__Op.6_2_Der_Fr_hling_lc5067692.mid"),
    ("openscore_lieder", "00159-scores_Brahms__Johannes_6_Songs__Op.7_4_Volkslied_lc5098632.mid"),
    ("openewld", "00436-dataset_Sebasti_n_Yradier_La_paloma_La_paloma.mid"),
    ("airds", "00974-book5.abc_0975_A_Do..mid"),
    ("airds", "00989-book5.abc_0990_A_Do..mid"),
    ("mine", "One/Intro.mid"),
    ("mine", "Two/Intro.mid"),
]


@pytest.mark.parametrize("pieces", TOGETHER.values(), ids=TOGETHER)
def test_one_work(pieces: list[tuple[str, str]]) -> None:
    assert len(set(assign([*pieces, *APART])[: len(pieces)])) == 1


def test_different_works() -> None:
    works = assign(APART)
    assert len(set(works)) == len(APART)


def test_the_order_of_pieces_doesn_t_matter() -> None:
    pieces = [*APART, *(piece for group in TOGETHER.values() for piece in group)]
    assert dict(zip(pieces, assign(pieces), strict=True)) == dict(zip(pieces[::-1], assign(pieces[::-1]), strict=True))


def test_shared_keys_chain() -> None:
    first, second = TOGETHER["copies of a mass"]
    between = ("polish_scores", "00484-pl-cz_kern_pl-cz--iii-99--001-007_dankowski-adalbert--credo.mid")
    assert not set(keys(*between)) & set(keys(*second))
    assert len(set(assign([between, second, first]))) == 1


@pytest.mark.parametrize(
    ("title", "same"),
    [
        ("DanSweeneys2polka", "Dan_Sweeney_s_Polka"),
        ("SkyWithoutCloudspolkaA", "Sky Without Clouds"),
        ("Humours of Glendart (1st Setting)", "HumorsofGlendartThe"),
        ("ButchersMarchiiThe", "The_Butchers_March"),
        ("A_Trip_to_Galway", "TripToGalway"),
    ],
)
def test_titles_of_tunes(title: str, same: str) -> None:
    assert tune_title(title) == tune_title(same)


def test_titles_keep_words_that_only_look_like_articles() -> None:
    assert tune_title("IrishWasherwoman") == "irishwasherwoman"
    assert tune_title("Anna") == "anna"


def test_about_the_asked_share_is_held_out_and_always_the_same() -> None:
    works = [f"tune/{number}" for number in range(4000)]
    out = [work for work in works if held_out(work, 0.05)]
    assert 150 < len(out) < 250
    assert set(out) <= {work for work in works if held_out(work, 0.1)}
    assert out[:3] == ["tune/21", "tune/26", "tune/52"]
    assert not any(held_out(work, 0.0) for work in works)
