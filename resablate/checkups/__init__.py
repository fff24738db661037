"""The checkups of `resablate doctor`: one function for each kind of fault; this table is their order."""

from resablate.checkups.calibrations import calibrations
from resablate.checkups.checkpoints import checkpoints
from resablate.checkups.clusters import clusters
from resablate.checkups.databases import databases
from resablate.checkups.disks import disks
from resablate.checkups.interface import Checkup as Checkup
from resablate.checkups.interface import Fault as Fault
from resablate.checkups.interface import Scope as Scope
from resablate.checkups.leftovers import folders, locks
from resablate.checkups.names import links, names
from resablate.checkups.records import answers, claimed, clocks, curves, lists, open_runs, results, twice, weights
from resablate.checkups.spools import spools
from resablate.checkups.stores import offline, stores
from resablate.checkups.studies import studies
from resablate.checkups.ui_folders import ui_folders
from resablate.registry import Registry

CHECKUPS: Registry[Checkup] = Registry(
    "checkup",
    "checkups",
    {
        "disks": disks,
        "databases": databases,
        "stores": stores,
        "offline": offline,
        "names": names,
        "links": links,
        "open_runs": open_runs,
        "lists": lists,
        "results": results,
        "answers": answers,
        "weights": weights,
        "claimed": claimed,
        "twice": twice,
        "curves": curves,
        "clocks": clocks,
        "studies": studies,
        "spools": spools,
        "checkpoints": checkpoints,
        "locks": locks,
        "folders": folders,
        "ui_folders": ui_folders,
        "clusters": clusters,
        "calibrations": calibrations,
    },
)
