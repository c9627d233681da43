/// The symbol plane exports only the names it interposes on; there is nothing to include.
#pragma once
