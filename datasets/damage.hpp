// Samples whose record could not be read or decoded, also not again, and what takes their place. A damaged
// sample is replaced by a pure function of (seed, epoch, sample, attempt), where attempts that meet another
// damaged one are passed over: ranks need not talk about it to show the same pixels. Throws: Error(bad_data)
// above 0.1 % of the samples.
#pragma once

#include <cstdint>
#include <map>
#include <string>

namespace vitrail::datasets {

// Sample -> where it lies and what is wrong, one line. Part of a run's state: a record that has become
// readable again stays replaced.
using DamageLedger = std::map<std::uint64_t, std::string>;

inline constexpr std::uint64_t kReplacementAttempts = 16;

// Another sample; attempt = 1, 2, ...; samples >= 2.
std::uint64_t replacement_of(std::uint64_t seed, std::uint64_t epoch, std::uint64_t sample,
                             std::uint64_t attempt, std::uint64_t samples);

// floor(N / 1000), but one at least, so that a small set survives a bad record, too.
std::uint64_t damage_allowed(std::uint64_t samples);
void check_damage(const DamageLedger& ledger, std::uint64_t samples, const std::string& source);

std::string to_text(const DamageLedger& ledger);  // a line each: to be sent to other ranks
DamageLedger parse_damage(const std::string& text);

}  // namespace vitrail::datasets
