"""The page in a real browser: it must work from a file, ask for nothing, and stay quick with 2,000 samples."""

from typing import Any

import pytest
import report_examples as examples
from comparison_helpers import RIGHT, WRONG, mcq_rows, scored, write_rows

import evalsuite
from evalsuite.config import build_score_config
from evalsuite.evaluation.score import score
from evalsuite.report.run_page import render_run

pytestmark = pytest.mark.browser

TWO = ("smollm2", "smollm2-sft")


@pytest.fixture
def become() -> Any:
    """Assertions that wait: following a link changes the page a moment later."""
    return pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


def compared(folder: Any) -> Any:
    """What two runs of these names give as a comparison."""
    replies = {TWO[0]: [RIGHT] * 4 + [WRONG] * 16, TWO[1]: [RIGHT] * 16 + [WRONG] * 4}
    return evalsuite.compare(
        *(scored(folder, name, mcq_rows(said)) for name, said in replies.items())
    ).to_dict()


def predictions(folder: Any) -> Any:
    """The report of two files of predictions, scored together."""
    replies = {"before": [RIGHT] * 4 + [WRONG] * 16, "after": [RIGHT] * 16 + [WRONG] * 4}
    paths = [write_rows(folder / f"{name}.jsonl", mcq_rows(said)) for name, said in replies.items()]
    config = {"datasets": [f"mcq:{path}" for path in paths], "out": folder / "runs"}
    return (score(build_score_config(config)).path / "report.html").read_text(encoding="utf-8")


def rendered(run: Any, summary: Any, samples: Any, **options: Any) -> Any:
    lines = list(samples)
    return render_run(run, summary, lambda: map(examples.typed, lines), **options)


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any) -> Any:
    folder = tmp_path_factory.mktemp("pages")
    pages = {
        "full": rendered(examples.run(), examples.summary(), examples.samples()),
        "two": rendered(
            examples.run(TWO),
            examples.summary(TWO, complete=False, owed=37) | {"comparison": compared(folder)},
            examples.flipping_samples(TWO),
        ),
        "agents": rendered(
            examples.run(), examples.summary_with_breakdowns(), [examples.agent_step(at) for at in range(3)]
        ),
        "predictions": predictions(folder),
        "hidden": rendered(
            examples.run(),
            examples.summary(),
            [
                examples.sample(0, id="id\u202ex", labels=["a\u202eb"]),
                examples.sample(1, labels=["</script>"], reply={"text": "word " * 200_000}),
            ],
        ),
        "repeats": rendered(examples.run(), examples.summary(), [examples.sample(0) for _ in range(3)]),
        "large": rendered(examples.run(), examples.summary(), examples.mcq_samples(2000)),
        "part": rendered(examples.run(), examples.summary(), examples.mcq_samples(2000), max_samples=200),
        "one": rendered(examples.run(), examples.summary(), [examples.sample(0)]),
        "empty": rendered({}, examples.nothing(), []),
        "categories": rendered(
            examples.run(), examples.summary_with_categories(), examples.samples_with_categories()
        ),
    }
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in pages}


@pytest.fixture
def visit(browser: Any, files: Any) -> Any:
    """Opens a page; at the end of the test it must have asked for nothing and complained about nothing."""
    contexts, complaints, requests = [], [], []

    def open_page(name: Any, address: Any = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(files[name] + address)
        if options.get("java_script_enabled", True) and tab.locator("#data").count():
            ready(tab)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert {url.split("#")[0] for url in requests} <= set(files.values())


def found(tab: Any) -> Any:
    return tab.locator("#found").inner_text()


def ready(tab: Any) -> Any:
    """The explorer has opened its data, shows a sample, and searches nothing."""
    tab.wait_for_function(
        "document.querySelector('#list .row, #list .empty') && !document.getElementById('found').textContent.includes('searching')"
        " && (document.querySelector('#detail h3') || document.querySelector('#list .empty'))"
    )
    return tab


def settled(tab: Any) -> None:
    """The sample that is selected is the one shown."""
    tab.wait_for_function(
        "document.querySelector('.row[aria-selected=true] .row-head span').textContent.endsWith("
        "'/' + document.querySelector('#detail h3').textContent)"
    )


def current(tab: Any) -> Any:
    return tab.locator("#detail h3").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize(
    "name", ["full", "two", "large", "one", "empty", "categories", "agents", "predictions"]
)
def test_report_page_at_any_width_fits_its_window(visit: Any, name: str, width: int, scheme: str) -> None:
    tab = visit(name, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_explorer_filters_narrow_the_list_together(visit: Any, become: Any) -> None:
    tab = visit("full")
    become(tab.locator("#found")).to_have_text("150 samples")
    tab.select_option("#filter-dataset", "toolbench")
    become(tab.locator("#found")).to_have_text("24 of 150")
    tab.select_option("#filter-outcome", "error")
    become(tab.locator("#found")).to_have_text("2 of 150")
    become(tab.locator("#detail .failure")).to_contain_text("no answer within 120 s")
    tab.click("#clear")
    become(tab.locator("#found")).to_have_text("150 samples")


def test_category_link_shows_the_samples_of_the_category(visit: Any, become: Any) -> None:
    tab = visit("categories")
    tab.click("#categories a >> text=science")
    become(tab.locator("#filter-category")).to_have_value("science")
    shown = int(found(tab).split()[0])
    assert 0 < shown < 44
    tab.select_option("#filter-subset", "physics")
    assert 0 < int(found(tab).split()[0]) < shown


def test_explorer_answer_filter_separates_right_from_wrong(visit: Any) -> None:
    tab = visit("full", "#samples?dataset=gsm8k")
    counts = []
    for answer in ("right", "wrong"):
        tab.select_option("#filter-answer", answer)
        counts.append(int(found(tab).split()[0]))
        assert set(tab.locator(".row .mark").all_inner_texts()) == {answer}
    assert sum(counts) == 52


def test_explorer_search_reads_prompts_replies_and_answers_ignoring_case(visit: Any, become: Any) -> None:
    tab = visit("full")
    tab.fill("#query", "VAPOUR pressure rises")
    become(tab.locator("#found")).to_have_text("29 of 150")
    tab.fill("#query", "第 12 题")
    become(tab.locator("#found")).to_have_text("1 of 150")
    tab.fill("#query", "nothing says this")
    become(tab.locator("#found")).to_have_text("0 of 150")
    assert "No sample matches" in tab.locator("#list").inner_text()
    become(tab.locator("#detail")).to_be_empty()


def test_explorer_search_skips_few_shot_examples(visit: Any, become: Any) -> None:
    tab = visit("full")
    tab.fill("#query", "示例 3")
    become(tab.locator("#found")).to_have_text("0 of 150")


def test_explorer_sort_slowest_puts_the_slowest_first(visit: Any, become: Any) -> None:
    tab = visit("full", "#samples?dataset=qa_en")
    tab.select_option("#sort", "slowest")
    tab.locator(".row").first.click()
    tab.locator("#detail summary >> text=Scores and request").click()
    become(tab.locator("#detail")).to_contain_text("30.0 s")


def test_explorer_keys_j_and_k_move_through_list_and_pages(visit: Any, become: Any) -> None:
    tab = visit("full")
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    tab.keyboard.press("k")
    become(tab.locator("#detail h3")).to_have_text("1")
    assert tab.locator(".row[aria-selected=true]").count() == 1
    for _ in range(50):
        tab.keyboard.press("j")
    assert tab.locator("#pages").inner_text() == "51 to 100"
    tab.keyboard.press("k")
    tab.keyboard.press("k")
    assert tab.locator("#pages").inner_text() == "1 to 50"


def test_explorer_keys_while_searching_are_letters(visit: Any, become: Any) -> None:
    tab = visit("full")
    tab.keyboard.press("/")
    tab.keyboard.type("jk/")
    assert tab.input_value("#query") == "jk/"
    tab.keyboard.press("Escape")
    tab.fill("#query", "")
    become(tab.locator("#detail h3")).to_have_text("0")


def test_explorer_pager_turns_pages(visit: Any) -> None:
    tab = visit("full")
    tab.click("#next")
    tab.click("#next")
    assert tab.locator("#pages").inner_text() == "101 to 150"
    assert tab.locator("#next").is_disabled()
    tab.click("#previous")
    assert tab.locator("#pages").inner_text() == "51 to 100"


def test_explorer_state_is_in_the_address_and_survives_a_reload(visit: Any, become: Any) -> None:
    tab = visit("full")
    tab.select_option("#filter-dataset", "gsm8k")
    tab.fill("#query", "clips in April")
    tab.select_option("#sort", "longest")
    tab.keyboard.press("Escape")
    tab.locator("#list").focus()
    become(tab.locator("#found")).to_have_text("52 of 150")
    tab.keyboard.press("j")
    settled(tab)
    before = (tab.url, found(tab), current(tab))
    tab.reload()
    become(tab.locator("#found")).to_have_text("52 of 150")
    settled(tab)
    assert (tab.url, found(tab), current(tab)) == before
    assert tab.input_value("#query") == "clips in April"
    assert "dataset=gsm8k" in tab.url


def test_metric_table_count_links_to_its_samples(visit: Any, become: Any) -> None:
    tab = visit("full")
    tab.click("a.flagged >> nth=0")
    become(tab.locator("#filter-outcome")).to_have_value("unparsed")
    assert set(tab.locator(".row .mark").all_inner_texts()) == {"unparsed"}


def test_label_count_links_to_samples_with_the_label(visit: Any, become: Any) -> None:
    tab = visit("full")
    tab.click(".counts a:has-text('gave_up')")
    become(tab.locator("#filter-label")).to_have_value("gave_up")
    become(tab.locator("#detail .chips")).to_contain_text("gave_up")


def test_explorer_hostile_text_is_shown_and_not_executed(visit: Any, become: Any) -> None:
    tab = visit("full", "#samples?dataset=qa_en")
    become(tab.locator("#detail .where")).to_contain_text("qa_en")
    assert tab.title() == "smollm2-nightly · evalsuite"
    shown = tab.locator("#detail .bubble.reply .text").inner_text()
    assert '<img src=x onerror="document.title=1"></script>' in shown
    assert tab.locator("#detail .hidden-character").first.inner_text() == "U+202E"
    assert tab.locator("img").count() == 0


def test_explorer_few_shot_examples_are_folded_and_the_question_is_not(visit: Any) -> None:
    tab = visit("full")
    assert tab.locator("#detail details summary").first.inner_text() == "10 earlier messages"
    assert tab.locator("#detail .bubble.user:visible").count() == 1
    assert "第 0 题" in tab.locator("#detail .bubble.user:visible").inner_text()


def test_explorer_long_text_is_folded_until_opened(visit: Any, become: Any) -> None:
    tab = visit("full", "#samples?dataset=toolbench")
    become(tab.locator("#detail .where")).to_contain_text("toolbench")
    bubble = tab.locator("#detail .bubble.system")
    folded = bubble.bounding_box()["height"]
    bubble.locator(".unfold").click()
    assert bubble.bounding_box()["height"] > 2 * folded


def test_report_page_theme_button_is_remembered(visit: Any) -> None:
    tab = visit("full", color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = tab.evaluate(colour)
    tab.click("#theme")
    dark = tab.evaluate(colour)
    assert dark != light
    tab.reload()
    assert tab.evaluate(colour) == dark


def test_copy_button_without_clipboard_api_copies_the_command(visit: Any) -> None:
    tab = visit("full")
    tab.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    tab.click("#reproduce .copy")
    tab.wait_for_function("document.querySelector('#reproduce .copy').textContent !== 'Copy'")
    assert tab.evaluate("getSelection().toString()").strip() == examples.run()["command"]


def test_explorer_with_several_variants_filters_by_variant(visit: Any, become: Any) -> None:
    assert visit("full").locator("#filter-variant").is_hidden()
    tab = visit("two")
    tab.select_option("#filter-flip", "")
    tab.select_option("#filter-variant", "smollm2-sft")
    tab.select_option("#filter-outcome", "truncated")
    become(tab.locator("#found")).to_have_text("1 of 12")


def test_report_page_without_javascript_shows_numbers_and_worst_samples(visit: Any) -> None:
    tab = visit("full", java_script_enabled=False)
    text = tab.locator("body").inner_text()
    assert "31.8 %" in text
    assert "Browsing all samples needs JavaScript" in text
    rows = tab.locator("#plain-rows .flip")
    assert len({"mcq_zh", "qa_en", "gsm8k", "toolbench"}) <= rows.count() <= 20
    rows.first.locator("summary").click()
    assert "选项" in rows.first.locator(".side .text").inner_text()
    assert tab.locator("svg.histogram:visible").count() >= 6
    assert tab.locator("button:visible").count() == 0


def test_report_page_without_javascript_shows_changed_rows_first(visit: Any) -> None:
    tab = visit("two", java_script_enabled=False)
    row = tab.locator("#plain-rows .flip").first
    row.locator("summary").click()
    assert row.locator(".side h5").all_inner_texts() == list(TWO)
    assert len(set(row.locator(".side .chips").all_inner_texts())) == 2


def test_report_page_with_javascript_hides_plain_rows(visit: Any) -> None:
    tab = visit("full")
    assert tab.locator("#plain-rows").is_hidden()
    assert tab.locator("#explorer").is_visible()


def test_report_page_printed_leaves_the_explorer_out(visit: Any) -> None:
    tab = visit("full", color_scheme="dark")
    tab.emulate_media(media="print")
    assert tab.locator("#samples").is_hidden()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize("name", ["full", "two", "agents"])
def test_report_page_printed_fits_its_paper(visit: Any, name: str) -> None:
    tab = visit(name, viewport={"width": 720, "height": 1000})
    tab.emulate_media(media="print")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 720


def test_explorer_search_of_two_thousand_samples_keeps_the_page_responsive(visit: Any, become: Any) -> None:
    tab = visit("large")
    become(tab.locator("#found")).to_have_text("2,000 samples")
    longest = tab.evaluate(
        """async () => {
            const query = document.getElementById('query');
            let [last, longest] = [performance.now(), 0];
            query.value = '叶绿体';
            query.dispatchEvent(new Event('input'));
            while (document.getElementById('found').textContent !== '500 of 2,000') {
                await new Promise((resolve) => setTimeout(resolve));
                longest = Math.max(longest, performance.now() - last);
                last = performance.now();
            }
            return longest;
        }"""
    )
    assert longest < 500


def test_explorer_filter_of_two_thousand_samples_is_immediate(visit: Any, become: Any) -> None:
    tab = visit("large")
    at_once = tab.evaluate(
        """() => {
            const select = document.getElementById('filter-subset');
            select.value = 'physics';
            select.dispatchEvent(new Event('change'));
            return document.getElementById('found').textContent;
        }"""
    )
    assert at_once == "286 of 2,000"


def test_explorer_of_a_comparison_shows_changed_rows_first(visit: Any, become: Any) -> None:
    tab = visit("two")
    become(tab.locator("#found")).to_have_text("7 of 12")
    assert tab.input_value("#filter-flip") == "changed"
    marks = tab.locator(".row .marks").all_inner_texts()
    assert set(marks) == {"right → wrong", "wrong → right", "right → truncated"}
    tab.select_option("#filter-flip", "both wrong")
    assert found(tab) == "3 of 12"
    tab.select_option("#filter-flip", "lost")
    tab.select_option("#filter-label", "off_by_one")
    assert found(tab) == "1 of 12"
    tab.click("#clear")
    become(tab.locator("#found")).to_have_text("12 samples")


def test_explorer_of_several_variants_shows_replies_side_by_side_with_marked_words(
    visit: Any, become: Any
) -> None:
    tab = visit("two", "#samples?flip=won")
    become(tab.locator("#detail .side")).to_have_count(2)
    assert tab.locator("#detail .side h5").all_inner_texts() == list(TWO)
    assert tab.locator("#detail .side >> nth=0 >> mark").all_inner_texts() == ["seven"]
    assert tab.locator("#detail .side >> nth=1 >> mark").all_inner_texts() == ["eight"]
    first, second = (tab.locator(f"#detail .side >> nth={at}").bounding_box() for at in (0, 1))
    assert first["x"] + first["width"] <= second["x"]


def test_word_diff_of_chinese_compares_characters(visit: Any, become: Any) -> None:
    tab = visit("two", "#samples?flip=changed&row=mcq_zh/physics/zh")
    become(tab.locator("#detail h3")).to_have_text("zh")
    assert tab.locator("#detail mark").all_inner_texts() == ["速度", "质量"]


def test_word_diff_of_unrelated_texts_marks_nothing(visit: Any, become: Any) -> None:
    tab = visit("two", "#samples?row=mcq_zh/physics/unlike")
    become(tab.locator("#detail h3")).to_have_text("unlike")
    assert tab.locator("#detail mark").count() == 0


def test_explorer_on_a_narrow_screen_stacks_replies(visit: Any, become: Any) -> None:
    tab = visit("two", "#samples?flip=won", viewport={"width": 400, "height": 900})
    become(tab.locator("#detail .side")).to_have_count(2)
    first, second = (tab.locator(f"#detail .side >> nth={at}").bounding_box() for at in (0, 1))
    assert first["y"] + first["height"] <= second["y"]
    assert tab.evaluate("document.documentElement.scrollWidth") <= 400


def test_explorer_agent_call_is_compared_with_gold_by_argument(visit: Any, become: Any) -> None:
    tab = visit("agents", "#samples?dataset=toolbench")
    become(tab.locator("#detail .calls")).to_have_count(1)
    rows = [row.inner_text().split() for row in tab.locator("#detail .calls tbody tr").all()]
    assert rows == [
        ["plan", "call", "call"],
        ["tool", "forecast", "forecasts"],
        ["city", '"Porto"', '"Porto"'],
        ["days", "1", "—"],
    ]
    assert [row.get_attribute("class") for row in tab.locator("#detail .calls tbody tr").all()] == [
        None, "differs", None, "differs",
    ]  # fmt: skip
    assert "hallucinated_tool: forecast" in tab.locator("#detail .chips").first.inner_text()
    tab.click("text=3 tools offered")
    assert tab.locator("#detail details .chip.right").all_inner_texts() == ["forecast"]
    assert tab.locator("#detail .bubble").count() == 5


def test_explorer_without_decompression_says_so_and_shows_plain_rows(browser: Any, files: Any) -> None:
    context = browser.new_context()
    tab = context.new_page()
    tab.add_init_script("delete globalThis.DecompressionStream")
    tab.goto(files["full"])
    assert "cannot read compressed data" in tab.locator("#no-unpacking").inner_text()
    assert tab.locator("#explorer").is_hidden()
    assert "31.8 %" in tab.locator("body").inner_text()
    assert tab.locator("#plain-rows .flip").first.is_visible()
    context.close()


def test_explorer_of_repeats_has_a_row_for_each_repeat(visit: Any, become: Any) -> None:
    tab = visit("repeats")
    become(tab.locator("#found")).to_have_text("3 samples")
    assert [row.split("\n")[0] for row in tab.locator(".row").all_inner_texts()] == [
        "mcq_zh/physics/0", "mcq_zh/physics/0 #2", "mcq_zh/physics/0 #3",
    ]  # fmt: skip


def test_explorer_of_predictions_pairs_questions_across_file_names(visit: Any, become: Any) -> None:
    tab = visit("predictions")
    become(tab.locator("#found")).to_have_text("12 of 20")
    become(tab.locator("#detail .side")).to_have_count(2)
    tab.select_option("#filter-dataset", "after")
    become(tab.locator("#found")).to_have_text("12 of 20")


def test_explorer_names_with_hidden_characters_are_spelled_out_and_filterable(
    visit: Any, become: Any
) -> None:
    tab = visit("hidden")
    assert "U+202E" in tab.locator(".row >> nth=0").inner_text()
    become(tab.locator("#detail h3")).to_have_text("idU+202Ex")
    assert "⟨U+202E⟩" in tab.locator("#filter-label option >> nth=1").inner_text()
    tab.select_option("#filter-label", index=1)
    become(tab.locator("#found")).to_have_text("1 of 2")


def test_explorer_search_keeps_the_order_of_the_run(visit: Any, become: Any) -> None:
    tab = visit("full", "#samples?dataset=gsm8k")
    tab.fill("#query", "49")  # in the text of the second question, and the id of the fiftieth
    become(tab.locator("#found")).not_to_have_text("52 of 150")
    ids = [int(row.split("\n")[0].rpartition("/")[2]) for row in tab.locator(".row").all_inner_texts()]
    assert ids == sorted(ids)
    assert {1, 49} <= set(ids)


def test_pages_of_agents_and_comparisons_have_their_charts(visit: Any) -> None:
    tab = visit("two")
    assert tab.locator("#deltas svg.forest:not(.scale)").count() == 1
    assert "fingerprint" in tab.locator("#differences").inner_text()
    assert tab.locator("#quality-cost tbody tr").count() == 2
    agents = visit("agents")
    assert agents.locator("#breakdowns svg.curves").count() == 4
    cells = agents.locator(".matrix tbody tr").first.locator("td").all_inner_texts()
    assert cells == ["6", "", "3"]


def test_explorer_of_a_part_of_the_samples_sorts_worst_first(visit: Any) -> None:
    tab = visit("part")
    assert tab.locator("#sort").input_value() == "worst"
    marks = tab.locator("#list .marks").all_inner_texts()
    assert len(marks) == 50
    assert "right" not in marks
    tab.click("#clear")
    assert tab.locator("#sort").input_value() == ""
    assert visit("large").locator("#sort").input_value() == ""
