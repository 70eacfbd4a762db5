"""Names of companies: their legal forms and articles set apart from what they are known by."""

import re
import unicodedata

from cleanco.termdata import terms_by_country, terms_by_type

from er_pipeline.blocking.values.folded_text import (
    BLANK_PUNCTUATION,
    fold,
    joined_letters,
    plain,
    word_set,
)

_ARTICLES = frozenset({"a", "an"})
# Taken out wherever they stand: none of them is the name of a company or a word of one.
_FORMS_ANYWHERE = word_set("""
    the co company inc incorporated corp corporation llc llp lllp pllc ltd limited plc pte pty pvt
    gmbh mbh kgaa ohg sarl srl sro doo ltda bhd sdn eurl sprl bvba oyj
    """)
# Taken away in front: the forms of Russia, Ukraine, the Baltic countries and Indonesia.
_FORMS_IN_FRONT = word_set("ooo oao zao pao tov uab sia pt")
# Terms of cleanco that are words, names or places too often: removing them hurts more companies
# than it helps (Where It's At, VAT Services, Bay Area ENT, Toys Unlimited, Amazon UK, Penn PSU).
_NO_FORMS = word_set("""
    private unlimited and at is ok sem sep et fa vat ent ad ay ba da dat ud sad etat ep ec ee ei
    ev bl ij ik mb od pp ps nl kt sp sd stg tdv teo bm uk eu ca sf ss gs rt cio ses psu
    """)
# Not in cleanco, as they stand once folded and without dots. What rigour has beyond these is for
# names that it has normalised itself; it needs the headers of ICU and a compiler to install.
_MORE_FORMS = tuple(
    form
    for line in (
        "S. de R.L. de C.V.|S.A.P.I. de C.V.|S.A.B. de C.V.|slu|sau|sll|slp|slne|sicav|cia|y cia",
        "sp z o o|sp z oo|sp zoo|spzoo|spolka z o o|spolka z oo|spolka akcyjna|sp k|sp j|sp k a",
        "spolka komandytowa|spolka jawna|spolka z ograniczona odpowiedzialnoscia",
        "prosta spolka akcyjna|spol s r o|spol sro|jdoo|j d o o|eood|ood|ead|nyrt|zrt|kft|bt",
        "sti|san ve tic|sanayi ve ticaret",
        "limited sirketi|ltd sirketi|anonim sirketi|tic|ticaret|dis tic|ith ihr|pazarlama",
        "gbr|ug|haftungsbeschrankt|haftungsbeschraenkt|partg|partgmbb|mbb|part g|ggmbh|gag",
        "aktiengesellschaft|kommanditgesellschaft|gesellschaft mit beschrankter haftung|ges mbh",
        "gesmbh",
        "gesellschaft mbh|eingetragener verein|eingetragene genossenschaft|eingetragener kaufmann",
        "cie|et cie|sasu|selarl|selas|scop|scic|snc|eirl|gaec|gie|sccv|asbl|vzw|vof|cvba",
        "srls|scarl|soc coop|societa cooperativa|sapa|snc di|sas di|lda|unipessoal lda|sgps|eireli",
        "oyj abp|osk|osuuskunta|ehf|ohf|slf|aps|ivs|amba|asa|ans|handelsbolag|aktiebolag",
        "aktieselskab",
        "uab|mb|sia|ou|pjsc|ojsc|cjsc|jsc|fze|fzco|fz llc|dmcc|wll|tbk|persero|opc|kk|k k",
        "kabushiki kaisha|godo kaisha|yugen kaisha|tnhh|coop|cooperative|cooperative society",
    )
    for form in line.split("|")
)
# Companies of East Asia have their form before or behind the name, with no blank between.
_EAST_ASIAN_FORMS = re.compile(
    "股[份分]有限公司|有限责任公司|有限責任公司|有限公司|股份公司|公司$|株式会社|株式會社|有限会社|合同会社"
    "|合資会社|合名会社|相互会社|(?:一般|公益|特定)?(?:社団|財団|非営利活動)法人|주식회사|유한회사|유한책임회사"
    r"|\((?:株|有|合|同|資|名|社|財|주|유|사|재)\)"
)
# Verein, Kaufmann, Genossenschaft: ev and eg alone are words and names, written so they are not.
_REGISTERED = re.compile(r"\b(?:e\. ?[VKG]|e[VKG]|e\. ?Kf[mr])\b\.?\s*$|\be\. ?v\.\s*$")
_CO_OP = re.compile(r"\bco-? ?op(?:erative)?\b")
# "and" in the languages that write GmbH und Co. KG; a word only where a form follows it
_ANDS = word_set("und et y e og och en i ja ve")
# Also recognised spelled out: "l l c", "s. p. a."
_PARTNERS = frozenset({"cie", "cia", "kg"})
_SPELLED_FORMS = word_set("llc llp ltd plc spa srl sro doo sarl gmbh sa bv nv")


def significant_words(company: str) -> list[str]:
    """Return the words of a company name without articles and legal forms.

    Unmistakable forms (inc, gmbh, limited) go wherever they stand; short ones that are also
    words (spa, sas, as) only at the end. None may be left: "The Company" gives [].
    Source of the forms: cleanco's term data, without those that are common words.
    """
    return _without_forms(_company_words(company))


def _without_forms(company_words: list[str]) -> list[str]:
    words: list[str] = []
    form_follows = False
    for word in reversed(company_words):
        if word in _FORMS_ANYWHERE:
            form_follows = True
        elif not (form_follows and word in _ANDS):
            words.append(word)
            form_follows = word in _PARTNERS
    words.reverse()
    while n_words := _n_words_at_end(words):
        del words[-n_words:]
    start = 0
    while start < len(words) and _goes_in_front(*words[start : start + 2]):
        start += 1
    return words[start:]


def _n_words_at_end(words: list[str]) -> int:
    """How many words the legal form at the end has; a form that is all there is, is a name."""
    if len(words) < 2:
        return 0
    if words[-1] in _LAST_WORDS:
        for n_words in range(min(_LONGEST_FORM, len(words) - 1), 1, -1):
            if tuple(words[-n_words:]) in _FORMS_OF_WORDS:
                return n_words
    return int(words[-1] in _FORMS_AT_END or words[-1] == "and")


def _goes_in_front(word: str, following: str | None = None) -> bool:
    if word in _ARTICLES:  # but not of "A & B" and "A 1 Auto"
        return following is None or (len(following) > 1 and following != "and")
    return word == "and" or (following is not None and word in _FORMS_IN_FRONT)


def _company_words(text: str) -> list[str]:
    text = _REGISTERED.sub("", text) or text
    if not text.isascii():
        text = _EAST_ASIAN_FORMS.sub(" ", unicodedata.normalize("NFKC", text)).strip() or text
    folded = joined_letters(fold(plain(text)).replace("&", " and ").replace("+", " and "))
    if "op" in folded:
        folded = _CO_OP.sub("coop", folded)
    if "private" in folded:  # an Indian "private limited" is the "ltd" or "pvt ltd" of others
        folded = re.sub(r"\bprivate (?=limited\b|ltd\b)", "", folded)
    return folded.translate(BLANK_PUNCTUATION).split()


def clean_company(text: str) -> str:
    """Return the significant words of a company name; where there are none, all of its words."""
    words = _company_words(text)
    return " ".join(_without_forms(words) or words)


_FORMS = {
    tuple(_company_words(term))
    for terms in (*terms_by_type.values(), *terms_by_country.values(), _MORE_FORMS)
    for term in terms
}
_FORMS_AT_END = {form[0] for form in _FORMS if len(form) == 1 and len(form[0]) > 1} - _NO_FORMS
_FORMS_OF_WORDS = {form for form in _FORMS if len(form) > 1} | set(map(tuple, _SPELLED_FORMS))
_LAST_WORDS = {form[-1] for form in _FORMS_OF_WORDS}
_LONGEST_FORM = max(map(len, _FORMS_OF_WORDS))
