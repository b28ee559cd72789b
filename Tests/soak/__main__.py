"""``python Tests/soak --minutes 60``."""

import sys

from soak import main

sys.exit(main())
