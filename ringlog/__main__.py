"""`python -m ringlog` is `ringlog`."""

import sys

from ringlog.cli import main

sys.exit(main())
