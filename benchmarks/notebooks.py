"""A notebook as people write them, run on a real kernel."""

from __future__ import annotations

from typing import Any

from nbclient import NotebookClient

from tests.notebooks.make import code, markdown, notebook

LOAD = """\
rng = np.random.default_rng(1)
days = pd.date_range("2024-01-01", periods=366)
sales = pd.DataFrame(
    {
        "date": rng.choice(days, 4_812),
        "shop": rng.integers(1, 9, 4_812).astype(float),
        "amount": rng.normal(30, 12, 4_812).round(2),
    }
)
sales.loc[::1600, "shop"] = np.nan
len(sales)"""
CLEAN = """\
def clean(rows):
    '''Receipts only, with a shop each.'''
    returns = rows["amount"] < 0
    print(f"dropped {returns.sum()} returns")
    rows = rows[~returns].copy()
    missing = rows["shop"].isna()
    rows.loc[missing, "shop"] = 1
    print(f"filled {missing.sum()} shops")
    return rows


sales = clean(sales)"""
MONTHS = """\
monthly = sales.groupby(sales["date"].dt.month)["amount"].sum()
for month, total in monthly.items():
    print(f"month {month:2}  {total:9.0f}")"""
PLOT = """\
fig, ax = plt.subplots(figsize=(6, 4))
monthly.plot.bar(ax=ax, title="Sales by month")
plt.show()"""
GROWTH = """\
half = np.where(sales["date"].dt.month <= 6, "first", "second")
halves = sales.pivot_table(index="shop", columns=half, values="amount", aggfunc="sum")
growth = (halves["second"] / halves["first"]).round(2).sort_values(ascending=False)
growth"""


def realistic() -> Any:
    """17 cells: text, imports, a function, tables, prints, a plot and an error."""
    made = notebook(
        markdown("title", "# Sales of 2024\n\nWhich shops grow, and which months are the best?"),
        code(
            "imports",
            "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd",
        ),
        markdown("data", "## Data\n\nOne row for each receipt; amounts are in euros."),
        code("load", LOAD),
        code("head", "sales.head()"),
        code("describe", "sales.describe()"),
        markdown("cleaning", "## Cleaning\n\nReturns have a negative amount: we drop them."),
        code("clean", CLEAN),
        code("check", 'assert sales["amount"].ge(0).all()\nsales.dtypes'),
        markdown("months", "## By month"),
        code("group", MONTHS),
        code("plot", PLOT),
        markdown("shops", "## By shop\n\nGrowth is the ratio of the second to the first half."),
        code("growth", GROWTH),
        code("best", "growth.idxmax()"),
        code("compare", 'growth.compare(growth_of_2023, keep_shape=True)["self"]'),
        markdown("end", "**To do**: compare with 2023."),
    )
    return NotebookClient(
        made, allow_errors=True, record_timing=False, kernel_name="python3"
    ).execute()
