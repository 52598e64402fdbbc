"""How many examples the laws are tried with.

`ci` (the default) keeps this folder within about a minute on two cores; `PERDURE_HYPOTHESIS=long` looks for rare ones.
"""

import os

from hypothesis import HealthCheck, Phase, settings

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example)
QUICK = [Phase.explicit, Phase.reuse, Phase.generate, Phase.target, Phase.shrink]

settings.register_profile("ci", deadline=None, max_examples=50, phases=QUICK, suppress_health_check=SLOW)
settings.register_profile("long", parent=settings.get_profile("ci"), max_examples=3_000)
settings.load_profile(os.environ.get("PERDURE_HYPOTHESIS", "ci"))
