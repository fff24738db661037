"""The schedules of the learning rate: one file each."""

from resablate.registry import Registry
from resablate.schedules.constant import constant
from resablate.schedules.cosine import cosine
from resablate.schedules.exponential import exponential
from resablate.schedules.interface import Schedule as Schedule
from resablate.schedules.linear import linear
from resablate.schedules.one_cycle import one_cycle
from resablate.schedules.steps import WARM_UPS as WARM_UPS
from resablate.schedules.steps import steps

SCHEDULES: Registry[Schedule] = Registry(
    "schedule",
    "schedules",
    {
        "steps": steps,
        "one_cycle": one_cycle,
        "constant": constant,
        "cosine": cosine,
        "linear": linear,
        "exponential": exponential,
    },
)
