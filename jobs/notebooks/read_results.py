# %% [markdown]
# # Reading a result file
# A result file is plain HDF5 with named axes: xarray opens it without arguments, every variable knows its unit and
# meaning. Run the cells in an editor that knows `# %%`, or the whole file: `python3 read_results.py OUT.h5`.
# Needs python3-xarray, python3-h5netcdf and python3-pandas.

# %%
import sys

import pandas as pd
import xarray as xr

path = sys.argv[1] if len(sys.argv) > 1 and sys.argv[1].endswith(".h5") else "../../build/release/first.h5"
data = xr.open_dataset(path)
rows = data.row.to_index()
print(f"{path}: {len(rows)} rows, {len(data.data_vars)} variables, program {data.attrs['program_version']}")

# %% [markdown]
# ## One value a row
# Everything with the single axis `row` makes a table. `split` gives the model and the recipe back.

# %%
table = data[[name for name, v in data.data_vars.items() if v.dims == ("row",)]].to_dataframe()
table[["model", "recipe"]] = [label.split("/", 1) for label in table.index]
rates = [name for name in table if name.endswith("_refusal_rate")]
print(table[["model", "recipe", "bits_per_weight", *rates]].round(3).to_string(index=False))

# %% [markdown]
# ## Down the ladder
# One line a model, one column a recipe; a row that was not measured stays NaN.

# %%
for rate in rates:
    order = table.groupby("recipe").bits_per_weight.mean().sort_values(ascending=False).index
    print(rate, "-", data[rate].attrs["long_name"])
    print(table.pivot(index="model", columns="recipe", values=rate)[order].round(3).to_string())

# %% [markdown]
# ## Prompt by prompt
# Rows hold the same prompts, so two rows pair. Codes are named in `flag_meanings`; 255 was not measured.

# %%
suites = [name.removesuffix("_expected") for name in data.data_vars if name.endswith("_expected")]
suite = next((s for s in suites if f"{s}_refusal" in data and (data[f"{s}_expected"] == 1).any()), None)
if suite is None:
    print("No suite has prompts that should be refused.")
else:
    answers = data[f"{suite}_refusal"].load()
    meanings = dict(enumerate(answers.attrs["flag_meanings"].split()))
    harmful = data[f"{suite}_expected"] == 1
    first, last = answers.isel(row=0)[harmful], answers.isel(row=-1)[harmful]
    words = [pd.Series(a.values, name=str(a.row.values)).map(meanings).fillna("not measured") for a in (first, last)]
    print(pd.crosstab(*words))

# %% [markdown]
# ## Votes of the heads
# Share of the heads that say VETO to each test item; `class` is an axis with labels.

# %%
for name in [n for n in data.data_vars if n.endswith("_vote_count")]:
    votes = data[name].where(data[name] >= 0).sel({"class": "VETO"}) / data[name].sum("class")
    print(name, "heads that say VETO, quartiles over the items:")
    quartiles = votes.quantile([0.25, 0.5, 0.75], dim=votes.dims[1])
    print(pd.DataFrame(quartiles.values.T, index=rows, columns=["25 %", "50 %", "75 %"]).round(2).to_string())
