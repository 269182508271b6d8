// Marks a function of simple loops over integers or floats (never contracted into fused operations) that the
// compiler makes several times, for wider and wider instructions; the program takes the best that the
// processor has when it starts. Every variant gives the same values.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#if __GNUC__ >= 12
#define VITRAIL_SIMD_CLONES __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else  // knows no levels to choose by
#define VITRAIL_SIMD_CLONES __attribute__((target_clones("avx2", "default")))
#endif
#else
#define VITRAIL_SIMD_CLONES
#endif
