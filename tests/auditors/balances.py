"""Print beancount's own balances of a file as JSON; runs in the auditors' environment."""

import json
import sys

from beancount import loader
from beancount.core import data, inventory

PLACES = {"VND": 0, "USD": 2}

entries, errors, _ = loader.load_file(sys.argv[1])
assert not errors, errors
codes, sums = {}, {}
for entry in entries:
    if isinstance(entry, data.Open):
        codes[entry.account] = entry.meta["code"]
    if isinstance(entry, data.Transaction):
        for posting in entry.postings:
            sums.setdefault(posting.account, inventory.Inventory()).add_amount(posting.units)
found = []
for account, balance in sums.items():
    for position in balance:
        number, currency = position.units
        found.append((codes[account], currency, int(number.scaleb(PLACES[currency]))))
json.dump(found, sys.stdout)
