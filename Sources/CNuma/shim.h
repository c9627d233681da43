/// Placement of rings on the NUMA node of the thread that writes them (libnuma).
#pragma once
#include <numa.h>
#include <numaif.h>
