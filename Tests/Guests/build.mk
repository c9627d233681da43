# Guest programs of the tests. The including Makefile sets BUILD, CC and CXX; GUESTS_DIR need be set only where make does
# not run at the top of the repository.
GUESTS_DIR ?= Tests/Guests
GUESTS_BUILD := $(BUILD)/guests
AREAS_BUILD := $(BUILD)/areas
GUESTS_FLAGS ?= -D_GNU_SOURCE -Wall -Wextra -O1 -g -fno-omit-frame-pointer -pthread -I$(GUESTS_DIR)
GUESTS_CFLAGS ?= -std=c11 $(GUESTS_FLAGS)
GUESTS_CXXFLAGS ?= -std=c++17 $(GUESTS_FLAGS)

# Every C or C++ file is one program of its own, built into $(BUILD)/guests, or, when it lies in the folder of an area,
# into $(BUILD)/areas/AREA; the area `atomics` has a build.mk of its own. A line "// link: -lfoo" in a source names further libraries.
AREAS_SOURCES := $(filter-out $(GUESTS_DIR)/atomics/%,$(wildcard $(GUESTS_DIR)/*/*.c $(GUESTS_DIR)/*/*.cpp))
GUESTS := $(patsubst $(GUESTS_DIR)/%.c,$(GUESTS_BUILD)/%,$(wildcard $(GUESTS_DIR)/*.c)) \
	$(patsubst $(GUESTS_DIR)/%,$(AREAS_BUILD)/%,$(basename $(AREAS_SOURCES)))
GUESTS_HEADERS := $(wildcard $(GUESTS_DIR)/*.h)
GUEST_LINK = $$(sed -n 's|^// link: ||p' $<)

.PHONY: guests
guests: $(GUESTS)

$(GUESTS_BUILD)/%: $(GUESTS_DIR)/%.c $(GUESTS_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(GUESTS_CFLAGS) -o $@ $<

$(AREAS_BUILD)/%: $(GUESTS_DIR)/%.c $(GUESTS_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(GUESTS_CFLAGS) -o $@ $< $(GUEST_LINK)

$(AREAS_BUILD)/%: $(GUESTS_DIR)/%.cpp $(GUESTS_HEADERS)
	@mkdir -p $(@D)
	$(CXX) $(GUESTS_CXXFLAGS) -o $@ $< $(GUEST_LINK)
