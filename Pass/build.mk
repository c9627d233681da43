# The compiler plugins. The including Makefile sets BUILD, RELEASE and CXX; PASS_DIR need be set only where make does
# not run at the top of the repository.
#
# A plugin is built for every compiler whose headers are installed, and loads into that major version only.
PASS_DIR ?= Pass
PASS_BUILD := $(BUILD)/pass
PASS_LLVM := $(foreach n,14 16 19,$(if $(wildcard /usr/lib/llvm-$(n)/include/llvm/Passes/PassPlugin.h),$(n)))
PASS_GCC := $(foreach n,12,$(if $(wildcard /usr/lib/gcc/*/$(n)/plugin/include/gcc-plugin.h),$(n)))
PASS_CXXFLAGS ?= -O1 -Wall -Wextra
# Compilers are built without run-time type information: a plugin with it would ask for names that they do not have.
PASS_FLAGS := -std=c++17 -fPIC -fno-rtti -fno-exceptions -fvisibility=hidden -MMD -MP

# GCC ends a plugin's name at its first dash where it hands over options: for these there is a second name.
PLUGINS := $(PASS_LLVM:%=$(RELEASE)/castor-pass-clang-%.so) $(PASS_GCC:%=$(RELEASE)/castor-pass-gcc-%.so) \
	$(PASS_GCC:%=$(RELEASE)/castor_pass_gcc_%.so)
PASS_COMMON := $(patsubst $(PASS_DIR)/%.cpp,%.o,$(wildcard $(PASS_DIR)/Common/*.cpp))

.PHONY: plugins
plugins: $(PLUGINS)

$(RELEASE)/castor_pass_gcc_%.so: $(RELEASE)/castor-pass-gcc-%.so
	ln -sf $(<F) $@

# Swift makes this link, and would stop at a directory in its place.
$(RELEASE):
	@mkdir -p $(@D)/x86_64-unknown-linux-gnu/release
	ln -sT x86_64-unknown-linux-gnu/release $@

# PASS_PLUGIN(name, folder, headers): one plugin and its objects.
define PASS_PLUGIN
PASS_OBJECTS_$(1) := $$(addprefix $(PASS_BUILD)/$(1)/,$(PASS_COMMON) \
	$$(patsubst $(PASS_DIR)/%.cpp,%.o,$$(wildcard $(PASS_DIR)/$(2)/*.cpp)))

$(RELEASE)/castor-pass-$(1).so: $$(PASS_OBJECTS_$(1)) | $(RELEASE)
	$$(CXX) -shared -o $$@ $$^

$(PASS_BUILD)/$(1)/%.o: $(PASS_DIR)/%.cpp
	@mkdir -p $$(@D)
	$$(CXX) $$(PASS_CXXFLAGS) $$(PASS_FLAGS) -isystem $(3) -c -o $$@ $$<

-include $$(PASS_OBJECTS_$(1):.o=.d)
endef

$(foreach n,$(PASS_LLVM),$(eval $(call PASS_PLUGIN,clang-$(n),LLVM,/usr/lib/llvm-$(n)/include)))
$(foreach n,$(PASS_GCC),$(eval $(call PASS_PLUGIN,gcc-$(n),GCC,$(wildcard /usr/lib/gcc/*/$(n)/plugin/include))))
