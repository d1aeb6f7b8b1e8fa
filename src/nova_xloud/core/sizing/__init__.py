# SPDX-License-Identifier: Apache-2.0
"""Which sizes an instance may have, and what a size counts for in Placement and in quotas.

bounds      minimum, maximum, step and blockers of one instance
boot_size   the size with which an instance starts as long as it was never adjusted
facts       what is known of an instance before it has a guest: flavor, image, host
minimums    reads and checks the extra specs ``minimum_cpu`` and ``minimum_memory``, and computes
            the least memory that a flavor may name
topology    threads per core, and how many vCPUs must stay plugged
blockers    why a resource cannot be adjusted, or vCPUs cannot be removed
platform    which guests can gain vCPUs while they run, and which can give them back
traits      the traits that a compute host needs to run an instance below its maximum
fit         whether a guest made from another image can be as small as its claim
allocation  sizes as Placement's resources, and whether a host has room for them
quota       what a size counts for in a quota, and how much of it is growth
digits      reads a number that an extra spec or an image's property spells in digits
"""
