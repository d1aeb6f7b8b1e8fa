# SPDX-License-Identifier: Apache-2.0
"""Which sizes an instance may have, and what a size counts for.

bounds      minimum, maximum, step and blockers of one instance
facts       what is known of it before it has a guest: flavor, image, host
minimums    ``minimum_cpu`` and ``minimum_memory`` read and judged
topology    threads, cores and vCPUs that stay plugged
blockers    why a resource cannot be adjusted
platform    which guests can be given vCPUs, and give them back
traits      what Placement is asked for, so that a host can adjust it
fit         whether a guest of another image can be as small as its claim
allocation  sizes as Placement's resources
quota       what of a change counts against the project's quota
"""
