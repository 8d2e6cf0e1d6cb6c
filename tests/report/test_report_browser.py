"""The page in a real browser: it must work from a file, ask for nothing, and stay quick with 2,000 samples."""

import pytest
import report_examples as examples

from evalsuite.report.html import render

pytestmark = pytest.mark.browser

TWO = ("smollm2", "smollm2-sft")


@pytest.fixture
def become():
    """Assertions that wait: following a link changes the page a moment later."""
    return pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pages = {
        "full": render(examples.run(), examples.summary(), examples.samples()),
        "two": render(
            examples.run(TWO),
            examples.summary(TWO, complete=False, owed=37),
            examples.samples(TWO),
            max_samples=120,
        ),
        "large": render(examples.run(), examples.summary(), examples.mcq_samples(2000)),
        "one": render(examples.run(), examples.summary(), [examples.sample(0)]),
        "empty": render({}, examples.nothing(), []),
        "categories": render(
            examples.run(), examples.summary_with_categories(), examples.samples_with_categories()
        ),
    }
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in pages}


@pytest.fixture
def visit(browser, files):
    """Opens a page; at the end of the test it must have asked for nothing and complained about nothing."""
    contexts, complaints, requests = [], [], []

    def open_page(name, address="", **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(files[name] + address)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split("#")[0] for url in requests} <= set(files.values())


def found(tab):
    return tab.locator("#found").inner_text()


def current(tab):
    return tab.locator("#detail h3").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("name", ["full", "two", "large", "one", "empty", "categories"])
def test_no_page_is_wider_than_its_window(visit, name, width, scheme):
    tab = visit(name, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_filters_narrow_the_list_and_together_narrow_it_further(visit):
    tab = visit("full")
    assert found(tab) == "150 samples"
    tab.select_option("#filter-dataset", "toolbench")
    assert found(tab) == "24 of 150"
    tab.select_option("#filter-outcome", "error")
    assert found(tab) == "2 of 150"
    assert "no answer within 120 s" in tab.locator("#detail .failure").inner_text()
    tab.click("#clear")
    assert found(tab) == "150 samples"


def test_a_category_leads_to_its_samples(visit, become):
    tab = visit("categories")
    tab.click("#categories a >> text=science")
    become(tab.locator("#filter-category")).to_have_value("science")
    shown = int(found(tab).split()[0])
    assert 0 < shown < 44
    tab.select_option("#filter-subset", "physics")
    assert 0 < int(found(tab).split()[0]) < shown


def test_right_and_wrong_can_be_told_apart(visit):
    tab = visit("full", "#samples?dataset=gsm8k")
    counts = []
    for answer in ("right", "wrong"):
        tab.select_option("#filter-answer", answer)
        counts.append(int(found(tab).split()[0]))
        assert set(tab.locator(".row .mark").all_inner_texts()) == {answer}
    assert sum(counts) == 52


def test_search_reads_prompts_replies_and_answers_in_any_case(visit):
    tab = visit("full")
    tab.fill("#query", "VAPOUR pressure rises")
    assert found(tab) == "29 of 150"
    tab.fill("#query", "第 12 题")
    assert found(tab) == "1 of 150"
    tab.fill("#query", "nothing says this")
    assert found(tab) == "0 of 150"
    assert "No sample matches" in tab.locator("#list").inner_text()
    assert tab.locator("#detail").inner_text() == ""


def test_search_skips_the_few_shot_examples_that_every_prompt_holds(visit):
    tab = visit("full")
    tab.fill("#query", "示例 3")
    assert found(tab) == "0 of 150"


def test_sorting_puts_the_slowest_first(visit):
    tab = visit("full", "#samples?dataset=qa_en")
    tab.select_option("#sort", "slowest")
    tab.locator(".row").first.click()
    assert "30 s" in tab.locator("#detail").inner_text()


def test_j_and_k_move_through_the_list_and_over_its_pages(visit):
    tab = visit("full")
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    tab.keyboard.press("k")
    assert current(tab) == "1"
    assert tab.locator(".row[aria-selected=true]").count() == 1
    for _ in range(50):
        tab.keyboard.press("j")
    assert tab.locator("#pages").inner_text() == "51 to 100"
    tab.keyboard.press("k")
    tab.keyboard.press("k")
    assert tab.locator("#pages").inner_text() == "1 to 50"


def test_keys_are_letters_while_searching(visit):
    tab = visit("full")
    tab.keyboard.press("/")
    tab.keyboard.type("jk/")
    assert tab.input_value("#query") == "jk/"
    tab.keyboard.press("Escape")
    tab.fill("#query", "")
    assert current(tab) == "0"


def test_pages_can_be_turned(visit):
    tab = visit("full")
    tab.click("#next")
    tab.click("#next")
    assert tab.locator("#pages").inner_text() == "101 to 150"
    assert tab.locator("#next").is_disabled()
    tab.click("#previous")
    assert tab.locator("#pages").inner_text() == "51 to 100"


def test_what_is_shown_is_in_the_address_and_survives_a_reload(visit):
    tab = visit("full")
    tab.select_option("#filter-dataset", "gsm8k")
    tab.fill("#query", "clips in April")
    tab.select_option("#sort", "longest")
    tab.keyboard.press("Escape")
    tab.locator("#list").focus()
    tab.keyboard.press("j")
    before = (tab.url, found(tab), current(tab))
    tab.reload()
    assert (tab.url, found(tab), current(tab)) == before
    assert tab.input_value("#query") == "clips in April"
    assert "dataset=gsm8k" in tab.url


def test_a_count_in_a_table_leads_to_its_samples(visit, become):
    tab = visit("full")
    tab.click("a.flagged >> nth=0")
    become(tab.locator("#filter-outcome")).to_have_value("unparsed")
    assert set(tab.locator(".row .mark").all_inner_texts()) == {"unparsed"}


def test_a_label_leads_to_the_samples_that_carry_it(visit, become):
    tab = visit("full")
    tab.click(".tally a:has-text('gave_up')")
    become(tab.locator("#filter-label")).to_have_value("gave_up")
    assert "gave_up" in tab.locator("#detail .chips").inner_text()


def test_hostile_text_is_shown_and_not_obeyed(visit):
    tab = visit("full", "#samples?dataset=qa_en")
    assert tab.title() == "smollm2-nightly · evalsuite"
    shown = tab.locator("#detail .bubble.reply .text").inner_text()
    assert '<img src=x onerror="document.title=1"></script>' in shown
    assert tab.locator("#detail .hidden-character").first.inner_text() == "U+202E"
    assert tab.locator("img").count() == 0


def test_few_shot_examples_are_folded_and_the_question_is_not(visit):
    tab = visit("full")
    assert tab.locator("#detail details summary").first.inner_text() == "10 earlier messages"
    assert tab.locator("#detail .bubble.user:visible").count() == 1
    assert "第 0 题" in tab.locator("#detail .bubble.user:visible").inner_text()


def test_a_long_text_is_folded_until_asked_for(visit):
    tab = visit("full", "#samples?dataset=toolbench")
    bubble = tab.locator("#detail .bubble.system")
    folded = bubble.bounding_box()["height"]
    bubble.locator(".unfold").click()
    assert bubble.bounding_box()["height"] > 2 * folded


def test_the_theme_can_be_turned_and_is_remembered(visit):
    tab = visit("full", color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(colour)
    tab.click("#theme")
    dark = tab.evaluate(colour)
    assert dark != light
    tab.reload()
    assert tab.evaluate(colour) == dark


def test_the_command_is_copied_even_where_there_is_no_clipboard(visit):
    tab = visit("full")
    tab.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    tab.click("#reproduce .copy")
    tab.wait_for_function("document.querySelector('#reproduce .copy').textContent !== 'Copy'")
    assert tab.evaluate("getSelection().toString()").strip() == examples.run()["command"]


def test_variants_can_be_filtered_where_there_are_several(visit):
    assert visit("full").locator("#filter-variant").is_hidden()
    tab = visit("two")
    tab.select_option("#filter-variant", "smollm2-sft")
    assert found(tab).endswith("of 120")


def test_without_javascript_everything_but_single_samples_can_be_read(visit):
    tab = visit("full", java_script_enabled=False)
    text = tab.locator("body").inner_text()
    assert "31.8 %" in text
    assert "Reading single samples needs JavaScript" in text
    assert tab.locator("svg.histogram:visible").count() >= 6
    assert tab.locator("button:visible").count() == 0


def test_a_printed_page_leaves_the_explorer_out(visit):
    tab = visit("full", color_scheme="dark")
    tab.emulate_media(media="print")
    assert tab.locator("#samples").is_hidden()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_two_thousand_samples_are_searched_and_filtered_in_one_go(visit):
    tab = visit("large")
    assert found(tab) == "2,000 samples"
    at_once = tab.evaluate(
        """() => {
            const query = document.getElementById('query');
            query.value = '叶绿体';
            query.dispatchEvent(new Event('input'));
            return document.getElementById('found').textContent;
        }"""
    )
    assert at_once == "500 of 2,000"
