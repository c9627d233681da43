/// Compression (libzstd) and checksums (libxxhash) of the log.
#pragma once
#include <zstd.h>
#include <zstd_errors.h>
#include <xxhash.h>
