"""What MkDocs lacks to show this repository's Markdown as it stands.

Pages are written for the repository: they link to each other and to sources by relative paths. Here every other Markdown file
of the repository becomes a page too, and whatever a page links to outside docs/ is shown as a page below source/, so that the
site needs no network and no repository host. MkDocs then checks all links, anchors included, and --strict makes its warnings errors.
"""
import pathlib, posixpath, re, subprocess

from mkdocs.structure.files import File

root = pathlib.Path(__file__).resolve().parent.parent.parent
# Code first, so that what looks like a link in it is passed over.
LINK = re.compile(r"^```.*?^```|`[^`\n]*`|\]\(([^()\s]+)\)", flags=re.M | re.S)
UNLISTED = "---\nsearch:\n  exclude: true\n---\n"


def slug(heading, separator):
    """Anchors as GitHub makes them from headings."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def tracked(*patterns):
    command = ["git", "ls-files", "-co", "--exclude-standard", *patterns]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()


def page_of(path):
    """Where in the site a file or folder of the repository is."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return "source/" + path + ("" if path.endswith(".md") else ".md")


def target_of(path, link):
    """The file or folder that a link on this page leads to, and the anchor; nothing for addresses."""
    if re.match(r"[a-z]+:|#", link):
        return None
    target, _, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if (root / target / "README.md").exists():
        target += "/README.md"
    return target, anchor and "#" + anchor


def shown(path):
    """A source as a page."""
    file = root / path
    if file.is_dir():
        return f"{UNLISTED}# {path}\n\n" + "".join(f"- `{name}`\n" for name in tracked(path))
    language = {".rs": "rust", ".go": "go", ".py": "python", ".sh": "bash", ".yaml": "yaml", ".tpl": "yaml"}.get(file.suffix, "text")
    return f"{UNLISTED}# {path}\n\n~~~~~~~~{language}\n{file.read_text()}\n~~~~~~~~\n"


def listed(entry):
    """The navigation, with each folder in it replaced by its pages."""
    if isinstance(entry, dict):
        return [{title: sum(map(listed, inner), []) if isinstance(inner, list) else inner for title, inner in entry.items()}]
    if not entry.endswith("/"):
        return [entry]
    pages = sorted((root / "docs" / entry).glob("*.md"), key=lambda page: (page.name != "README.md", page.name.lower()))
    return [entry + page.name for page in pages]


def on_config(config):
    config.mdx_configs["toc"] = {**config.mdx_configs.get("toc", {}), "slugify": slug}
    config.nav = sum(map(listed, config.nav), [])
    return config


def on_files(files, config):
    pages = tracked("*.md")
    sources = set()
    for path in pages:
        text = (root / path).read_text()
        for link in filter(None, LINK.findall(text)):
            target = target_of(path, link)
            if target and (root / target[0]).exists() and not target[0].startswith("docs/"):
                sources.add(target[0])
        if not path.startswith("docs/"):
            files.append(File.generated(config, page_of(path), content=text))
    for path in sorted(sources.difference(pages)):
        files.append(File.generated(config, page_of(path), content=shown(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    name = page.file.src_uri
    path = name.removeprefix("source/") if name.startswith("source/") else "docs/" + name
    if not (root / path).exists():
        return markdown
    # A comment before the heading hides it from MkDocs.
    page.meta.setdefault("title", re.search(r"^# (.+)$", markdown, flags=re.M)[1])

    def moved(match):
        target = match[1] and target_of(path, match[1])
        if not target:
            return match[0]
        return f"]({posixpath.relpath(page_of(target[0]), posixpath.dirname(name) or '.')}{target[1]})"

    return LINK.sub(moved, markdown)
