"""The page of `worldmodel show` in headless Chromium: it draws, answers to pointer and sliders, and fits its window."""

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on the PATH (apt-get install chromium)")

LISTEN = """<script>
window.mistakes = [];
window.addEventListener('error', (event) => mistakes.push(String(event.message)));
window.addEventListener('unhandledrejection', (event) => mistakes.push(String(event.reason)));
console.error = (...words) => mistakes.push(words.join(' '));
</script>"""

DRIVE = """<script>
const inked = (canvas) => {
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data, colours = new Set();
  for (let i = 0; i < data.length; i += 4) {
    if (data[i + 3]) colours.add((data[i] << 16) + (data[i + 1] << 8) + data[i + 2]);
  }
  return colours.size;
};
const change = (control, value, kind = 'input') => { control.value = value; control.dispatchEvent(new Event(kind)); };
function hover() {
  const root = document.querySelector('.latent-map'), canvas = root.querySelector('canvas');
  const box = canvas.getBoundingClientRect(), tip = root.querySelector('.tip');
  for (let y = 5; y < box.height; y += 9) for (let x = 5; x < box.width; x += 9) {
    canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + x, clientY: box.top + y }));
    if (!tip.hidden) return { text: tip.textContent, ink: inked(tip.querySelector('canvas')) };
  }
  return null;
}
window.addEventListener('load', () => setTimeout(() => {
  const found = { drawn: document.documentElement.dataset.drawn };
  found.ink = [...document.querySelectorAll('canvas')].map(inked);
  found.hover = hover();
  const map = document.querySelector('.latent-map'), before = map.querySelector('canvas').toDataURL();
  change(map.querySelectorAll('select')[0], map.querySelectorAll('select')[0].options[1].value, 'change');
  map.querySelectorAll('select')[0].selectedIndex = 1;
  map.querySelectorAll('select')[0].onchange();
  const views = map.querySelectorAll('select')[1];
  found.views = [...views.options].map((_, i) => {
    views.selectedIndex = i;
    views.onchange();
    return inked(map.querySelector('canvas'));
  });
  views.selectedIndex = 0;
  views.onchange();
  found.recoloured = map.querySelector('canvas').toDataURL() !== before;
  const video = document.querySelector('.open-loop'), shown = video.querySelector('canvas').toDataURL();
  change(video.querySelector('input[type=range]'), 3);
  found.video = video.querySelector('output').textContent;
  found.moved = video.querySelector('canvas').toDataURL() !== shown;
  const plan = document.querySelector('.plan-map');
  plan.querySelector('select').selectedIndex = 1;
  plan.querySelector('select').onchange();
  change(plan.querySelector('input[type=range]'), 0);
  found.plan = plan.querySelector('output').textContent;
  found.moments = [...document.querySelectorAll('.plans .moment')].map((part) => part.hidden);
  found.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  found.width = window.innerWidth;
  found.paper = getComputedStyle(document.body).backgroundColor;
  found.mistakes = mistakes;
  parent.postMessage(JSON.stringify(found), '*');
}, 500));
</script>"""

FRAME = """<body><iframe src="driven.html" width="{width}" height="900"></iframe><script>
window.addEventListener('message', (event) => { document.body.append(Object.assign(
  document.createElement('pre'), {{ textContent: event.data }})); });
</script></body>"""


def chromium(page: Path, *words: str) -> str:
    """The document as it is at the end."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", "--window-size=1400,1000", *words]
    done = subprocess.run(
        [str(CHROMIUM), *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def driven(page: Path, folder: Path, width: int, dark: bool) -> dict:
    """What the page says of itself in a window of that width, after pointer and sliders were used."""
    text = page.read_text().replace("<head>", "<head>" + LISTEN).replace("</body>", DRIVE + "</body>")
    (folder / "driven.html").write_text(text)
    (folder / "frame.html").write_text(FRAME.replace("{width}", str(width)).replace("{{", "{").replace("}}", "}"))
    said = chromium(
        folder / "frame.html", "--virtual-time-budget=9000", f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    )
    return json.loads(html.unescape(re.findall(r"<pre>(.*?)</pre>", said, re.S)[0]))


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_it_draws_answers_and_fits(shown_page: Path, tmp_path: Path, width: int, dark: bool) -> None:
    found = driven(shown_page, tmp_path, width, dark)
    assert found["mistakes"] == []
    assert found["width"] == width
    assert found["wide"] <= 0, "the page is wider than its window"
    assert min(found["ink"]) > 2, "a canvas is blank"
    assert min(found["views"]) > 2, "a view of the map is blank"
    assert re.search(r"episode \d+, step \d+|grid of true states", found["hover"]["text"])
    assert found["hover"]["ink"] > 2
    assert found["recoloured"]
    assert found["video"] == "step 3: filtered, sees every frame"
    assert found["moved"]
    assert found["plan"].startswith("1 of ")
    assert found["moments"] == [True, False, True]
    red = int(re.findall(r"\d+", found["paper"])[0])
    assert red < 60 if dark else red > 200


def test_it_draws_within_three_seconds(shown_page: Path) -> None:
    if os.getloadavg()[0] > (os.cpu_count() or 1):
        pytest.skip("the machine is busy with other work, so wall time tells nothing")
    drawn = re.findall(r'data-drawn="(\d+)"', chromium(shown_page))
    assert drawn, "it had not drawn when it had loaded"
    assert int(drawn[0]) < 3000
