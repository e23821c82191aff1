"""Every query of the dashboard and of the alerts against a real Prometheus, and a picture of the main panels. Called by check.sh."""

import json
import pathlib
import re
import sys
import time
import urllib.parse
import urllib.request

HERE = pathlib.Path(__file__).parent
WINDOW = "1m"
# Rates in the picture follow what happens within seconds.
PICTURE_WINDOW = "10s"
# What is scraped beside cooper: what is somebody else's belongs into no panel.
OTHER = "prometheus"
PICTURE = ["Passes by outcome", "Requests to the cloud by lane", "Resources", "Keys by state"]


def ask(prometheus, path, **query):
    url = f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        said = json.load(answer)
    assert said["status"] == "success", said
    return said["data"]


def panels():
    for panel in json.loads((HERE / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", WINDOW)
            yield panel["title"], query, target["legendFormat"]


def values(prometheus, query):
    found = ask(prometheus, "query", query=query)["result"]
    return [item for item in found if item["value"][1] not in ("NaN", "+Inf", "-Inf")]


def check_panels(prometheus):
    wrong = []
    for title, query, _ in panels():
        if not eventually(prometheus, query):
            wrong.append(f"{title}: {query}")
        if any(item["metric"].get("job") == OTHER for item in values(prometheus, query)):
            wrong.append(f"{title} shows what is not cooper's: {query}")
    return wrong


def eventually(prometheus, query):
    deadline = time.time() + 60
    while not values(prometheus, query) and time.time() < deadline:
        time.sleep(2)
    return values(prometheus, query)


def check_alerts(prometheus):
    rules = [rule for group in ask(prometheus, "rules")["groups"] for rule in group["rules"]]
    wrong = [f"{rule['name']}: {rule.get('lastError')}" for rule in rules if rule["health"] != "ok"]
    pages = {path.stem for path in (HERE / "../../docs/runbooks").glob("Cooper*.md")}
    names = {rule["name"] for rule in rules}
    wrong += [f"{name}: alert and runbook do not match" for name in names ^ pages]
    firing = [rule["name"] for rule in rules if rule["state"] == "firing"]
    # A query over a metric that nobody serves would never fire.
    served = set(ask(prometheus, "label/__name__/values"))
    for rule in rules:
        for metric in re.findall(r"\b(?:cooper|process)_[a-z_]+", rule["query"]):
            # Series that begin with their first happening.
            if metric not in served and metric != "cooper_pass_panics_total":
                wrong.append(f"{rule['name']}: {metric} is not served")
    return wrong + [f"{name} fires although all is well" for name in firing], len(rules)


def line(series, low, high, begin, end):
    points = [(float(at), float(value)) for at, value in series if value != "NaN"]
    scale = lambda at, value: f"{40 + 300 * (at - begin) / (end - begin):.1f},{150 - 110 * (value - low) / (high - low or 1):.1f}"
    return " ".join(scale(*point) for point in points)


def picture(prometheus, path, begin, end):
    colours = ["#3b6ea5", "#c8553d", "#588157", "#8d6a9f", "#b08900", "#5b5b5b", "#2a9d8f", "#e07a5f"]
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 440" font-family="sans-serif" font-size="10">',
           '<rect width="760" height="440" fill="#fff"/>']
    found = [(title, query, legend) for title, query, legend in panels() if title in PICTURE]
    for number, (title, query, legend) in enumerate(found):
        query = query.replace(f"[{WINDOW}]", f"[{PICTURE_WINDOW}]")
        data = ask(prometheus, "query_range", query=query, start=begin, end=end, step=1)["result"]
        data = [item for item in data if any(float(value) > 0 for _, value in item["values"])][:8]
        high = max([float(value) for item in data for _, value in item["values"]] or [1])
        out.append(f'<g transform="translate({380 * (number % 2)},{215 * (number // 2)})">')
        out.append(f'<text x="40" y="24" font-size="12" font-weight="bold">{title}</text>')
        out.append(f'<path d="M40 40V150H340" fill="none" stroke="#999"/><text x="36" y="44" text-anchor="end">{high:.3g}</text>'
                   f'<text x="36" y="153" text-anchor="end">0</text><text x="340" y="163" text-anchor="end">{end - begin:.0f} s</text>')
        for index, item in enumerate(data):
            name = re.sub(r"{{(\w+)}}", lambda match: item["metric"].get(match[1], ""), legend).strip()
            colour = colours[index % len(colours)]
            out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{line(item["values"], 0, high, begin, end)}"/>')
            out.append(f'<text x="{40 + 78 * (index % 4)}" y="{178 + 13 * (index // 4)}" fill="{colour}">{name[:16]}</text>')
        out.append("</g>")
    pathlib.Path(path).write_text("\n".join(out) + "\n</svg>\n")


def main():
    prometheus, began, drawing = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    assert eventually(prometheus, f'process_resident_memory_bytes{{job="{OTHER}"}}'), f"{OTHER} is not scraped"
    wrong = check_panels(prometheus)
    more, count = check_alerts(prometheus)
    picture(prometheus, drawing, began, time.time())
    for complaint in wrong + more:
        print(complaint, file=sys.stderr)
    total = sum(1 for _ in panels()) + count
    failed = len(wrong) + len(more)
    print(f"{total - failed} passed, {failed} failed")
    sys.exit(bool(failed))


main()
