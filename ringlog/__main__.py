"""`python -m ringlog` is `ringlog`."""

import sys

from ringlog.cli.main import main

sys.exit(main())
