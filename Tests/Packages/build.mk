# Programs that others wrote, from Debian's sources, built with castor's compiler command and without a change to them:
# .build/artifacts/packages/NAME. PACKAGES_CC and PACKAGES_CXX name another compiler. The including Makefile sets BUILD
# and CASTOR.
PACKAGES_DIR ?= Tests/Packages
PACKAGES_BUILD := $(BUILD)/packages
PACKAGES_NAMES := memcached redis nginx leveldb pbzip2
PACKAGES_CC ?= $(abspath $(CASTOR)) cc
PACKAGES_CXX ?= $(abspath $(CASTOR)) c++
PACKAGES := $(PACKAGES_NAMES:%=$(PACKAGES_BUILD)/%/built)

# Fetched once, built anew when the compiler is newer.
.PRECIOUS: $(PACKAGES_BUILD)/%/fetched
$(PACKAGES_BUILD)/%/fetched:
	$(PACKAGES_DIR)/fetch.sh $* $(@D) $(PACKAGES_BUILD)/apt

$(PACKAGES_BUILD)/%/built: $(PACKAGES_BUILD)/%/fetched $(PACKAGES_DIR)/build.sh $(wildcard $(CASTOR) $(dir $(CASTOR))castor-pass-*.so)
	CC="$(PACKAGES_CC)" CXX="$(PACKAGES_CXX)" $(PACKAGES_DIR)/build.sh $* $(@D)
