"""The convolution lab in a real browser: its arithmetic against the library, and its controls.

Needs Chromium (or Chrome) and chromedriver on the PATH; on Debian `apt install chromium-driver`
brings both. Without them the tests are skipped. Nothing is fetched: the page is a local file.
"""

import json
import re
import shutil

import numpy as np
import pytest

import minigrad as mg
import minigrad.functional as F
from minigrad import viz
from minigrad.equivalence import conv_index_map, conv_matrix

webdriver = pytest.importorskip("selenium.webdriver", reason='selenium is in the extra "test"')
from selenium.webdriver import ActionChains, Keys  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
]

ARTICLE_IMAGE = np.array([[43.0, 16, 78], [34, 76, 95], [35, 8, 46]])
ARTICLE_KERNEL = np.array([[4.0, 6], [7, 9]])


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    names = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    driver = shutil.which("chromedriver")
    if not (program and driver):
        pytest.skip(
            "no Chromium and chromedriver here; on Debian `apt install chromium-driver` brings both"
        )
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # The path is given, or selenium would look for a driver in the network.
    chromium = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    yield chromium
    chromium.quit()


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    path = tmp_path_factory.mktemp("lab") / "lab.html"
    viz.conv_lab(path)
    return path.as_uri()


class Lab:
    """The page as a user meets it."""

    def __init__(self, browser):
        self.browser = browser

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        self.find(selector).click()

    def press(self, *keys):
        """Keys, sent to whatever has the focus."""
        ActionChains(self.browser).send_keys(*keys).perform()

    def press_with_control(self, key):
        chain = ActionChains(self.browser).key_down(Keys.CONTROL)
        chain.send_keys(key).key_up(Keys.CONTROL).perform()

    def preset(self, name):
        self.browser.find_element(By.XPATH, f"//nav/button[starts-with(., '{name}')]").click()

    def set_slider(self, name, value):
        """By keyboard: to the left end, then steps to the right."""
        self.find(f"#{name}").send_keys(Keys.HOME, *[Keys.ARROW_RIGHT] * (value - 1))

    def choose_direction(self, name):
        self.find(f"[name=direction][value={name}] + span").click()

    def text(self, selector):
        """What is written, with minus signs that Python reads."""
        return self.find(selector).get_attribute("textContent").replace("−", "-")

    def numbers(self, grid, shape):
        """What is written in a grid's cells."""
        cells = self.browser.execute_script(
            "return [...document.querySelectorAll(arguments[0] + ' .cell')]"
            ".map((cell) => cell.textContent)",
            f"#{grid}",
        )
        values = [float(text.replace("−", "-") or "nan") for text in cells]
        return np.array(values).reshape(shape)

    def terms(self, formula):
        """The products of a formula as pairs of factors."""
        texts = self.browser.execute_script(
            "return [...document.querySelectorAll(arguments[0] + ' .term')]"
            ".map((term) => term.textContent)",
            f"#{formula}",
        )
        return [
            tuple(float(factor.strip("()").replace("−", "-")) for factor in text.split("·"))
            for text in texts
        ]

    def chosen(self, grid):
        """Which cell is chosen; exactly one is."""
        cells = self.browser.find_elements(By.CSS_SELECTOR, f"#{grid} [aria-selected=true]")
        assert len(cells) == 1
        return int(cells[0].get_attribute("data-cell"))

    def coloured(self, grid):
        """Which cells of a grid have a weight's colour."""
        return self.browser.execute_script(
            f"return [...document.querySelectorAll('#{grid} .cell')]"
            ".map((cell) => cell.style.getPropertyValue('--weight') !== '')"
        )

    def lit(self, svg):
        """How many cells of a map are lit, per weight."""
        return {
            int(path.get_attribute("data-weight")): path.get_attribute("d").count("M")
            for path in self.browser.find_elements(By.CSS_SELECTOR, f"#{svg} path.weight")
            if "unlit" not in path.get_attribute("class")
        }

    def size(self, grid):
        """Rows and columns of a grid."""
        lines = self.browser.find_elements(By.CSS_SELECTOR, f"#{grid} .line")
        return len(lines), len(lines[0].find_elements(By.CSS_SELECTOR, ".cell"))

    def marked(self, svg):
        """The frame of a map: (row, column, rows, columns)."""
        marker = self.find(f"#{svg} .marker")
        return tuple(int(marker.get_attribute(name)) for name in ("y", "x", "height", "width"))


@pytest.fixture
def lab(browser, address):
    """The page, freshly loaded; afterwards the console must have stayed empty."""
    browser.get_log("browser")
    browser.get("about:blank")  # or another part behind the # would not load the page again
    browser.get(address)
    yield Lab(browser)
    assert browser.get_log("browser") == []


@pytest.fixture
def emulate(browser):
    """Set the screen's width and what the user prefers, for one test."""

    def set_to(width, **features):
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 740, "deviceScaleFactor": 1, "mobile": False},
        )
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": n.replace("_", "-"), "value": v} for n, v in features.items()]},
        )

    yield set_to
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


# --- the arithmetic, against the library ----------------------------------------------------------


def random_configuration(rng):
    """Settings as the page has them; some fit, and some do not."""
    padding = rng.choice(["SAME", "VALID", "FULL", "own"])
    if padding == "own":
        padding = rng.integers(0, 4, (2, 2)).tolist()
    sizes = {
        name: rng.integers(1, limit, 2, endpoint=True).tolist()
        for name, limit in {"image": 9, "kernel": 5, "stride": 4, "dilation": 2}.items()
    }
    return {**sizes, "padding": padding if isinstance(padding, list) else str(padding)}


def test_its_arithmetic_is_the_library_s(lab):
    rng = np.random.default_rng(0)
    configurations = [random_configuration(rng) for _ in range(300)]
    for each in configurations:
        each["x"] = rng.standard_normal(each["image"]).ravel().tolist()
        each["k"] = rng.standard_normal(each["kernel"]).ravel().tolist()
        each["g"] = rng.standard_normal(33 * 33).tolist()  # as many as there are outputs are used
    found = lab.browser.execute_script(
        """
        return arguments[0].map((each) => {
          const geometry = resolveGeometry(each);
          if (geometry.refusal) return geometry;
          const { x, k, g } = each;
          return {
            pads: geometry.pads,
            size: geometry.output,
            output: forward(geometry, x, k),
            columns: im2col(geometry, x),
            map: indexMap(geometry),
            matrix: matrixOf(geometry, k),
            dX: inputGradient(geometry, k, g),
            dK: kernelGradient(geometry, x, g),
          };
        });
        """,
        configurations,
    )
    refused = 0
    for each, results in zip(configurations, found, strict=True):
        where = json.dumps({name: each[name] for name in list(each)[:5]})
        x = mg.Tensor(np.reshape(each["x"], (1, *each["image"], 1)), requires_grad=True)
        k = mg.Tensor(np.reshape(each["k"], (*each["kernel"], 1, 1)), requires_grad=True)
        options = {name: each[name] for name in ("stride", "padding", "dilation")}
        try:
            y = F.conv2d(x, k, **options)
        except ValueError as error:
            assert str(error).startswith(f"conv2d: {results['refusal']} (stride"), where
            refused += 1
            continue
        g = np.reshape(each["g"][: y.size], y.shape)
        dX, dK = mg.grad(y, [x, k], g)
        shape = (*each["image"], 1)
        expected = {
            "size": y.shape[1:3],
            "output": y.data.ravel(),
            "columns": F.im2col(x, each["kernel"], **options).data.reshape(y.size, -1),
            "map": conv_index_map(shape, k.shape, **options).T,
            "matrix": conv_matrix(k, shape, **options).data.T,
            "dX": dX.data.ravel(),
            "dK": dK.data.ravel(),
        }
        assert expected.keys() == results.keys() - {"pads"}, where
        for name, value in expected.items():
            np.testing.assert_allclose(
                results[name], value, rtol=1e-12, atol=1e-12, err_msg=f"{name} of {where}"
            )
        pads = mg.conv_arithmetic.resolve_padding(
            each["padding"], tuple(each["kernel"]), tuple(each["dilation"])
        )
        assert results["pads"] == [list(pair) for pair in pads], where
    assert 30 < refused < 150


# --- forward --------------------------------------------------------------------------------------


# article: E6, E7
def test_the_article_s_example(lab):
    lab.preset("The article")
    assert lab.numbers("image", (3, 3)).tolist() == ARTICLE_IMAGE.tolist()
    assert lab.numbers("kernel", (2, 2)).tolist() == ARTICLE_KERNEL.tolist()
    assert lab.numbers("output", 4).tolist() == [1190, 1919, 909, 1344]
    texts = lab.browser.find_elements(By.CSS_SELECTOR, "#matrix-map text")
    assert [int(text.text) for text in texts[9:18]] == [0, 4, 6, 0, 7, 9, 0, 0, 0]
    assert "36 cells. 16 of them hold one of only 4 weights; the other 20" in lab.text(
        "#matrix-count"
    )


def test_the_keyboard_moves_the_window(lab):
    lab.preset("The article")
    lab.find("#output .cell").send_keys(Keys.ARROW_DOWN)
    assert lab.chosen("output") == 2
    assert lab.terms("formula") == [(34, 4), (76, 6), (35, 7), (8, 9)]
    assert lab.text("#formula .total") == "909"
    assert lab.text("#spoken") == (
        "Output cell 1,0 is 909: 34 times 4 plus 76 times 6 plus 35 times 7 plus 8 times 9"
    )
    assert lab.numbers("im2col-row", (3, 4))[2].tolist() == [136, 456, 245, 72]
    assert lab.numbers("matrix-row", (2, 9))[0].tolist() == [0, 0, 0, 4, 6, 0, 7, 9, 0]
    assert lab.marked("im2col-map") == (2, 0, 1, 4)
    assert lab.marked("matrix-map") == (2, 0, 1, 9)
    lab.press(Keys.ARROW_RIGHT)  # the focus went along
    assert lab.text("#formula .total") == "1344"


def test_every_key_leads_where_it_says(lab):
    lab.preset("Nothing square")  # 3 rows of 4
    lab.find("#output .cell").send_keys(Keys.ARROW_LEFT)
    for press, key, cell in [
        (lab.press, Keys.ARROW_RIGHT, 1),
        (lab.press, Keys.ARROW_DOWN, 5),
        (lab.press, Keys.END, 7),
        (lab.press, Keys.ARROW_RIGHT, 7),
        (lab.press, Keys.ARROW_UP, 3),
        (lab.press, Keys.ARROW_UP, 3),
        (lab.press, Keys.HOME, 0),
        (lab.press_with_control, Keys.END, 11),
        (lab.press, Keys.ARROW_DOWN, 11),
        (lab.press, Keys.ARROW_LEFT, 10),
        (lab.press_with_control, Keys.HOME, 0),
    ]:
        press(key)
        assert lab.chosen("output") == cell
        focused = lab.browser.switch_to.active_element
        assert int(focused.get_attribute("data-cell")) == cell
    tabbable = lab.browser.find_elements(By.CSS_SELECTOR, "#output [tabindex='0']")
    assert len(tabbable) == 1


def test_the_mouse_moves_the_window(lab):
    """Over the output, over the image (the window's middle follows), over a row of either map."""
    lab.preset("Same size")
    move = ActionChains(lab.browser, duration=0).move_to_element
    cells = lab.browser.find_elements(By.CSS_SELECTOR, "#output .cell")
    move(cells[13]).perform()
    assert lab.chosen("output") == 13
    image = lab.browser.find_elements(By.CSS_SELECTOR, "#image .cell")
    move(image[2 * 7 + 3]).perform()  # of the padded image's seven columns
    assert lab.chosen("output") == 1 * 5 + 2
    move(lab.find("#matrix-map")).perform()
    assert lab.chosen("output") == 12
    lab.browser.execute_script("change({stride: [3, 3], padding: [[2, 1], [0, 3]]})")  # 2 rows of 2
    image = lab.browser.find_elements(By.CSS_SELECTOR, "#image .cell")
    for row, column, position in [(0, 0, 0), (2, 3, 1), (3, 2, 2), (7, 7, 3)]:
        move(image[row * 8 + column]).perform()
        assert lab.chosen("output") == position


def test_a_mouse_that_rests_does_not_hold_the_window(lab):
    """Browsers report it again, in the same place, when the page has moved under it."""
    report = (
        "arguments[0].dispatchEvent(new PointerEvent('pointermove',"
        " {pointerType: 'mouse', clientX: 300, clientY: 200, bubbles: true}))"
    )
    cells = lab.browser.find_elements(By.CSS_SELECTOR, "#output .cell")
    lab.browser.execute_script(report, cells[12])
    cells[12].send_keys(Keys.ARROW_LEFT)
    lab.browser.execute_script(report, cells[12])
    assert lab.chosen("output") == 11


def test_a_finger_moves_the_window(lab, emulate):
    emulate(360)
    lab.browser.refresh()
    cell = lab.browser.find_elements(By.CSS_SELECTOR, "#image .cell")[3 * 7 + 4]
    lab.browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", cell)
    x, y = lab.browser.execute_script(
        "const box = arguments[0].getBoundingClientRect(); return [box.x + 9, box.y + 9]", cell
    )
    for kind, points in [("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])]:
        lab.browser.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )
    assert lab.chosen("output") == 2 * 5 + 3


def test_the_window_is_drawn_where_it_is(lab):
    """Its cells have the weights' colours, stride and dilation included; the frame is around."""
    lab.browser.execute_script(
        "change({image: [6, 7], kernel: [2, 3], stride: [2, 1], dilation: [1, 2],"
        " padding: [[1, 0], [0, 2]]}); choose({position: 6})"
    )
    painted = lab.browser.execute_script(
        "return [...document.querySelectorAll('#image .cell')]"
        ".map((cell) => cell.style.getPropertyValue('--weight'))"
    )
    # 5 output columns, so row 1, column 1; of 9 padded columns
    rows, columns = [2, 3], [1, 3, 5]
    expected = [row * 9 + column for row in rows for column in columns]
    assert [cell for cell, colour in enumerate(painted) if colour] == expected
    kernel = lab.browser.execute_script(
        "return [...document.querySelectorAll('#kernel .cell')]"
        ".map((cell) => cell.style.getPropertyValue('--weight'))"
    )
    assert [painted[cell] for cell in expected] == kernel
    assert len(set(kernel)) == 6
    frame, first, last = (
        lab.find(selector).rect
        for selector in (
            "#image .window",
            f"#image [data-cell='{expected[0]}']",
            f"#image [data-cell='{expected[-1]}']",
        )
    )
    lab.browser.execute_script("document.querySelector('#image .window').style.transition='none'")
    frame = lab.find("#image .window").rect
    assert abs(frame["x"] - first["x"]) < 4
    assert abs(frame["y"] - first["y"]) < 4
    assert abs(frame["x"] + frame["width"] - last["x"] - last["width"]) < 4
    assert abs(frame["y"] + frame["height"] - last["y"] - last["height"]) < 4


def test_sliders_and_padding_change_sizes(lab):
    lab.preset("Same size")
    lab.set_slider("image-height", 6)
    lab.set_slider("image-width", 8)
    lab.set_slider("kernel-width", 2)
    lab.set_slider("stride-height", 2)
    lab.set_slider("dilation-width", 2)
    assert_as_the_library(lab, (6, 8), (3, 2), (2, 1), "SAME", (1, 2))
    lab.click("[name=padding][value=FULL] + span")
    assert_as_the_library(lab, (6, 8), (3, 2), (2, 1), "FULL", (1, 2))
    side = lab.find("#padding-left")
    side.clear()
    side.send_keys("5", Keys.TAB)
    assert lab.find("[name=padding][value=own]").is_selected()
    assert_as_the_library(lab, (6, 8), (3, 2), (2, 1), ((2, 2), (5, 2)), (1, 2))
    assert lab.text("#sizes li:last-child") == "width: ⌊(8+5+2-3)/1⌋+1 = 13"


def test_one_of_a_kind_is_said_in_the_singular(lab):
    lab.preset("The article")
    for size in ("image-height", "image-width", "kernel-height", "kernel-width"):
        lab.set_slider(size, 1)
    assert lab.text("#im2col-count").startswith("1 window of 1 cell: 1 number, copied")
    assert "= 1 cell. 1 of them hold one of only 1 weight;" in lab.text("#matrix-count")


def assert_as_the_library(lab, image, kernel, stride, padding, dilation):
    """Sizes, padding and every number of the output."""
    (top, bottom), (left, right) = mg.conv_arithmetic.resolve_padding(padding, kernel, dilation)
    padded = lab.numbers("image", (top + image[0] + bottom, left + image[1] + right))
    x = padded[top : top + image[0], left : left + image[1]]
    assert padded.sum() == x.sum()
    assert (x > 0).all()
    expected = F.conv2d(
        x[None, :, :, None],
        lab.numbers("kernel", (*kernel, 1, 1)),
        stride=stride,
        padding=padding,
        dilation=dilation,
    ).data[0, :, :, 0]
    assert lab.size("output") == expected.shape
    assert lab.numbers("output", expected.shape).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("The article", (2, 2)),
        ("Finding an edge", (3, 4)),
        ("Same size", (5, 5)),
        ("Even kernel", (5, 5)),
        ("FULL", (6, 7)),
        ("Stride 2", (4, 4)),
        ("Dilation 2", (3, 3)),
        ("Nothing square", (3, 4)),
    ],
)
def test_examples(lab, name, size):
    lab.preset(name)
    assert lab.size("output") == size


def test_every_example_is_tested(lab):
    assert len(lab.browser.find_elements(By.CSS_SELECTOR, "#presets button")) == 8


def test_new_numbers_and_own_numbers(lab):
    before = lab.numbers("image", (7, 7))
    lab.click("#new-numbers")
    assert (lab.numbers("image", (7, 7)) != before).any()
    lab.click("#own-numbers summary")
    for name, text in [
        ("image", "1 2 3 4\n5 6 7 8\n9, 10, 11, -12"),
        ("kernel", " , \n0.5, -1,\n"),
    ]:
        field = lab.find(f"#{name}-numbers")
        field.clear()
        field.send_keys(text)
    lab.click("#apply-numbers")
    lab.click("[name=padding][value=VALID] + span")
    x = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, -12.0]])
    assert lab.numbers("image", (3, 4)).tolist() == x.tolist()
    assert lab.numbers("output", (3, 3)).tolist() == (0.5 * x[:, :-1] - x[:, 1:]).tolist()
    field = lab.find("#kernel-numbers")
    field.send_keys("\n1 two")
    lab.click("#apply-numbers")
    assert lab.text("#numbers-refusal") == (
        "The kernel holds something that is no number; put spaces between numbers."
    )
    assert lab.numbers("kernel", 2).tolist() == [0.5, -1]


def test_a_window_that_does_not_fit(lab):
    lab.preset("Dilation 2")
    lab.set_slider("image-height", 4)
    refusal = lab.find("#refusal")
    assert refusal.is_displayed()
    assert refusal.get_attribute("role") == "alert"
    with pytest.raises(ValueError) as caught:
        F.conv2d(np.ones((1, 4, 7, 1)), np.ones((3, 3, 1, 1)), padding="VALID", dilation=2)
    sentence = re.search(r"the window does not fit.*?spans \d+", str(caught.value))[0]
    assert lab.text("#refusal-text") == sentence[0].upper() + sentence[1:] + "."
    assert "Choose a larger image, more padding, or a smaller kernel" in refusal.text
    assert not lab.find("#forward").is_displayed()
    assert lab.text("#sizes li:first-child").endswith("= 0")
    lab.set_slider("image-height", 5)  # and all is well again
    assert not refusal.is_displayed()
    assert lab.size("output") == (1, 3)


def test_it_plays(lab):
    """Step by step and round; whoever moves by hand stops it."""
    lab.preset("The article")
    lab.click("#previous")
    assert lab.chosen("output") == 3
    lab.click("#next")
    assert lab.chosen("output") == 0
    lab.click("#play")
    assert (lab.chosen("output"), lab.text("#play")) == (1, "Pause")
    lab.find("#output .chosen").send_keys(Keys.END)
    assert lab.text("#play") == "Play"


# --- backward -------------------------------------------------------------------------------------


def gradients(lab, image, kernel, stride, padding, dilation):
    """What the page shows, and what the library says: (x, g, dX, dK)."""
    (top, bottom), (left, right) = mg.conv_arithmetic.resolve_padding(padding, kernel, dilation)
    padded = lab.numbers("seen", (top + image[0] + bottom, left + image[1] + right))
    x = mg.Tensor(padded[top : top + image[0], left : left + image[1]], requires_grad=True)
    k = mg.Tensor(lab.numbers("weights", (*kernel, 1, 1)), requires_grad=True)
    y = F.conv2d(x.reshape(1, *image, 1), k, stride=stride, padding=padding, dilation=dilation)
    g = lab.numbers("gradient", y.shape)
    dX, dK = mg.grad(y, [x, k], g)
    return x.data, g.ravel(), dX.data, dK.data


NOTHING_SQUARE = ((4, 6), (3, 2), (1, 2), ((1, 0), (2, 1)), (1, 1))


# article: I2
def test_an_output_gradient_and_what_it_fills_in_dX(lab):
    lab.preset("Nothing square")
    lab.choose_direction("backward")
    assert not lab.find("#forward").is_displayed()
    _, g, dX, _ = gradients(lab, *NOTHING_SQUARE)
    assert lab.numbers("dX", (4, 6)).tolist() == dX.tolist()

    lab.find("#gradient .cell").send_keys(Keys.ARROW_DOWN)
    lab.press(Keys.ARROW_RIGHT)
    position = lab.chosen("gradient")
    assert position == 5  # 3 rows of 4
    kernel = lab.numbers("weights", (3, 2, 1, 1))
    matrix = conv_matrix(kernel, (4, 6, 1), (1, 2), ((1, 0), (2, 1))).data  # dX = matrix @ g
    column = lab.numbers("column", (2, 24))
    assert column[0].tolist() == matrix[:, position].tolist()
    assert column[1].tolist() == (matrix[:, position] * g[position]).tolist()
    assert lab.marked("transposed-map") == (0, position, 24, 1)
    so_far = lab.numbers("so-far", (5, 9))
    partial = (matrix[:, : position + 1] @ g[: position + 1]).reshape(4, 6)
    assert so_far[1:, 2:-1].tolist() == partial.tolist()
    assert np.isnan(so_far[0]).all()  # nothing is written into the padding

    index_map = conv_index_map((4, 6, 1), (3, 2, 1, 1), (1, 2), ((1, 0), (2, 1)))
    cells = np.flatnonzero(index_map[:, position] >= 0)
    sentences = lab.browser.find_elements(By.CSS_SELECTOR, "#additions li")
    assert len(sentences) == len(cells)
    before = partial.ravel() - matrix[:, position] * g[position]
    for cell, sentence in zip(cells, sentences, strict=True):
        row, col = divmod(cell, 6)
        numbers = re.findall(r"-?\d+", sentence.get_attribute("textContent").replace("−", "-"))
        weight = matrix[cell, position]
        expected = [row, col, before[cell], g[position], weight, partial.ravel()[cell]]
        assert [float(number) for number in numbers] == expected

    lab.press_with_control(Keys.END)
    assert lab.numbers("so-far", (5, 9))[1:, 2:-1].tolist() == dX.tolist()


# article: I3
def test_a_weight_and_the_cells_tied_to_it(lab):
    lab.preset("Nothing square")
    lab.choose_direction("backward")
    x, g, _, dK = gradients(lab, *NOTHING_SQUARE)
    assert lab.numbers("dK", (3, 2, 1, 1)).tolist() == dK.tolist()
    index_map = conv_index_map((4, 6, 1), (3, 2, 1, 1), (1, 2), ((1, 0), (2, 1))).T

    lab.find("#weights .cell").send_keys(Keys.ARROW_DOWN)
    for key, weight in [(Keys.ARROW_RIGHT, 3), (Keys.ARROW_UP, 1), (Keys.HOME, 0)]:
        lab.press(key)
        assert lab.chosen("weights") == weight
        tied = np.argwhere(index_map == weight)  # (output cell, image cell)
        assert lab.lit("tied-map") == {weight: len(tied)}
        assert lab.text("#tied-name") == f"{len(tied)} cells tied to it"
        products = [(x.ravel()[cell], g[position]) for position, cell in tied]
        assert lab.terms("tied-formula") == products
        assert float(lab.text("#tied-formula .total")) == dK.ravel()[weight]
        assert sum(a * b for a, b in products) == dK.ravel()[weight]
        met = np.reshape(lab.coloured("seen"), (5, 9))[1:, 2:-1]
        assert np.flatnonzero(met).tolist() == np.unique(tied[:, 1]).tolist()
        assert np.flatnonzero(lab.coloured("went")).tolist() == np.unique(tied[:, 0]).tolist()
    assert lab.numbers("went", g.shape).tolist() == g.tolist()


def test_a_cell_of_the_matrix_is_a_weight_and_an_output_cell(lab):
    lab.preset("Nothing square")
    lab.choose_direction("backward")
    index_map = conv_index_map((4, 6, 1), (3, 2, 1, 1), (1, 2), ((1, 0), (2, 1))).T
    position, cell = 6, 15
    ground = lab.find("#tied-map .ground").rect
    across = (cell + 0.5) / 24 - 0.5
    down = (position + 0.5) / 12 - 0.5
    ActionChains(lab.browser, duration=0).move_to_element_with_offset(
        lab.find("#tied-map"), round(across * ground["width"]), round(down * ground["height"])
    ).click().perform()
    assert (lab.chosen("gradient"), lab.chosen("weights")) == (6, index_map[6, 15])
    # Its product is the framed one of those that add up.
    tied = np.argwhere(index_map == index_map[6, 15]).tolist()
    framed = [
        "current" in term.get_attribute("class")
        for term in lab.browser.find_elements(By.CSS_SELECTOR, "#tied-formula .term")
    ]
    assert [place for place, is_framed in zip(tied, framed, strict=True) if is_framed] == [[6, 15]]
    assert lab.marked("tied-map") == (6, 0, 1, 24)


def test_a_weight_that_only_meets_padding(lab):
    lab.browser.execute_script(
        "change({image: [1, 3], kernel: [3, 1], padding: 'SAME', backward: true})"
    )
    lab.find("#weights .cell").send_keys(Keys.HOME, Keys.ARROW_UP)
    assert lab.chosen("weights") == 0
    assert lab.text("#tied-formula") == "0: this weight only ever meets padding"
    assert lab.lit("tied-map") == {0: 0}


# --- the page -------------------------------------------------------------------------------------


EVERYTHING = [
    "change({backward: false})",
    "change({backward: true})",
    "change({image: [9, 9], kernel: [5, 5], dilation: [2, 2], padding: 'FULL', backward: false})",
    "change({backward: true})",
    "change({image: [1, 1], padding: 'VALID'})",  # does not fit
]


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_no_width_scrolls_sideways(lab, emulate, width):
    emulate(width)
    lab.browser.refresh()
    lab.browser.execute_script("byId('settings').open = byId('own-numbers').open = true")
    for step in EVERYTHING:
        lab.browser.execute_script(step)
        inner, shown, needed = lab.browser.execute_script(
            "const page = document.documentElement;"
            "return [innerWidth, page.clientWidth, page.scrollWidth]"
        )
        assert inner == width
        assert needed <= shown  # which is less by the width of the vertical scroll bar


def test_dark_as_the_system_or_as_chosen(lab, emulate):
    emulate(1400, prefers_color_scheme="dark")
    lab.browser.refresh()
    background = "return getComputedStyle(document.body).backgroundColor"
    dark = lab.browser.execute_script(background)
    lab.click("#theme")
    light = lab.browser.execute_script(background)
    emulate(1400, prefers_color_scheme="light")
    assert lab.browser.execute_script(background) == light
    assert max(map(int, re.findall(r"\d+", dark))) < 60
    assert min(map(int, re.findall(r"\d+", light))) > 200


CONTRASTS = """
const luminance = (rgb) => {
  const parts = rgb.map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = numbers(getComputedStyle(at).backgroundColor);
    if (colour.length === 3) return colour; // a fourth number would be its opacity
  }
  return [255, 255, 255];
};
const found = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.closest("svg, script, noscript")) continue;
  const [a, b] = [numbers(getComputedStyle(element).color), behind(element)].map(luminance);
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) found.push(`${element.className} ${element.textContent}: ${contrast}`);
}
return found;
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out(lab, emulate, theme):
    """At least 4.5 to 1, which WCAG calls AA."""
    emulate(1400, prefers_color_scheme=theme)
    lab.browser.refresh()
    lab.browser.execute_script("byId('own-numbers').open = true")
    for step in EVERYTHING:
        lab.browser.execute_script(step)
        assert lab.browser.execute_script(CONTRASTS) == []


def test_who_prefers_no_motion_gets_none(lab, emulate):
    moving = "return getComputedStyle(document.querySelector('#image .window')).transitionDuration"
    assert "0.15s" in lab.browser.execute_script(moving)
    emulate(1400, prefers_reduced_motion="reduce")
    assert lab.browser.execute_script(moving) == "0s"


def test_all_that_can_be_used_has_a_name(lab):
    """For screen readers: every control, grid and picture."""
    nameless = lab.browser.execute_script(
        """
        return [...document.querySelectorAll(
          "button, input, textarea, [role=grid], [role=img]")].filter((each) => !(
            each.getAttribute("aria-label") || each.textContent.trim() ||
            each.closest("label")?.textContent.trim())).map((each) => each.outerHTML);
        """
    )
    assert nameless == []


def test_the_address_says_what_is_set(lab, browser, address):
    lab.preset("The article")
    lab.set_slider("stride-width", 2)
    lab.click("[name=padding][value=FULL] + span")
    side = lab.find("#padding-top")
    side.clear()
    side.send_keys("3", Keys.TAB)
    lab.choose_direction("backward")
    lab.find("#gradient .cell").send_keys(Keys.ARROW_DOWN)
    lab.find("#weights .cell").send_keys(Keys.END)
    WebDriverWait(browser, 10).until(lambda it: it.current_url.endswith("weight=1&backward"))
    linked = browser.current_url
    assert linked.startswith(f"{address}#image=3x3&kernel=2x2&stride=1x2&dilation=1x1&padding=3,1;")
    dX = lab.numbers("dX", (3, 3)).tolist()
    browser.get("about:blank")
    browser.get(linked)
    assert lab.numbers("dX", (3, 3)).tolist() == dX
    assert (lab.chosen("gradient"), lab.chosen("weights")) == (2, 1)
    assert lab.find("#padding-top").get_attribute("value") == "3"
    assert lab.find("#stride-width").get_attribute("value") == "2"


@pytest.mark.parametrize(
    "nonsense",
    [
        "#image=99x99&kernel=0x3&stride=x&dilation=1.5x2&padding=HALF&seed=-1",
        "#padding=1,2&imageNumbers=1,zwei&kernelNumbers=&seed=1e9",
        "#padding=9,0;0,0&image=5&seed=99999999999&cell=-1&weight=1x2",
        "#%",
    ],
)
def test_nonsense_in_the_address_is_ignored(lab, browser, address, nonsense):
    before = lab.numbers("output", 25).tolist()
    browser.get("about:blank")
    browser.get(address + nonsense)
    assert lab.numbers("output", 25).tolist() == before


def test_it_opens_with_what_python_says(lab, browser, tmp_path):
    rng = np.random.default_rng(1)
    x, k = rng.integers(-9, 9, (4, 7)).astype(float), rng.standard_normal((2, 3)).round(1)
    path = tmp_path / "own.html"
    viz.conv_lab(path, (4, 7), (2, 3), (2, 1), ((1, 0), (0, 2)), (1, 2), x, k)
    browser.get(path.as_uri())
    expected = F.conv2d(
        x[None, :, :, None], k[:, :, None, None], None, (2, 1), ((1, 0), (0, 2)), (1, 2)
    ).data
    assert lab.numbers("kernel", (2, 3)).tolist() == k.tolist()
    np.testing.assert_allclose(lab.numbers("output", expected.shape), expected, rtol=1e-3)


def test_nothing_is_requested(lab, browser):
    browser.get_log("performance")
    browser.refresh()
    lab.preset("FULL")
    lab.choose_direction("backward")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert urls, "the page itself is one"
    assert {url.partition(":")[0] for url in urls} <= {"file", "data"}
