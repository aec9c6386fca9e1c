"""`python -m tools.tidy [ROOT]`: run every check, print what they find, exit 1 if anything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tools.tidy.comments import check_comments
from tools.tidy.facades import check_facades
from tools.tidy.finding import Finding
from tools.tidy.mirror import check_mirror
from tools.tidy.names import check_names
from tools.tidy.project import Project
from tools.tidy.purity import check_purity
from tools.tidy.sizes import check_sizes

CHECKS: tuple[Callable[[Project], Iterator[Finding]], ...] = (
    check_sizes,
    check_names,
    check_mirror,
    check_facades,
    check_purity,
    check_comments,
)


def main(arguments: list[str]) -> int:
    """Check one repository, by default the one this file stands in."""
    root = Path(arguments[0]) if arguments else Path(__file__).parents[2]
    project = Project(root.resolve())
    if not project.package:
        print(f"tidy: no modules under {project.root / 'src'}")
        return 1
    try:
        findings = sorted(finding for check in CHECKS for finding in check(project))
    except SyntaxError as error:
        findings = [Finding(error.filename or "", error.lineno or 1, f"does not parse: {error.msg}", "mend it first")]
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} findings in {len(list(project))} modules")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
