"""``python -m seriatim``."""

from seriatim.cli import main

raise SystemExit(main())
