// What becomes of a run whose settings change between two attempts, or of a sweep whose tasks differ, by the
// effect that each setting declares.
#pragma once

#include <string>

#include "trainer/settings/settings.hpp"

namespace vitrail::trainer {

// A key that this program does not know, of another version's checkpoint, has the strictest effect that its
// section has; of an unknown section: identity.
Effect effect_of(const std::string& key);

bool is_identity(const std::string& key);
bool changes_silently(const std::string& key);
bool keeps_results_comparable(
    const std::string& key);  // whatever its value, tasks of a sweep may be compared

// Empty, or why `stored` cannot be continued as `current`: one clause naming the first key, both values.
std::string why_refused(const SettingsMap& stored, const SettingsMap& current);

std::string value_of(const SettingsMap& settings, const std::string& key);  // or "unset"

// Of both; where both have a key, the value of `a`.
SettingsMap merged_keys(const SettingsMap& a, const SettingsMap& b);

}  // namespace vitrail::trainer
