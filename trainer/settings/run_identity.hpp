// What of a configuration is part of a run's identity: with other values it would be another run.
#pragma once

#include <map>
#include <string>

namespace vitrail::trainer {

bool is_identity(const std::string& key);
bool changes_silently(const std::string& key);  // where things lie and how they are watched

// Empty, or why `stored` cannot be continued as `current`: one clause naming the first key, both values.
std::string why_refused(const std::map<std::string, std::string>& stored,
                        const std::map<std::string, std::string>& current);

std::string value_of(const std::map<std::string, std::string>& settings,
                     const std::string& key);  // or "unset"

// Of both; where both have a key, the value of `a`.
std::map<std::string, std::string> merged_keys(const std::map<std::string, std::string>& a,
                                               const std::map<std::string, std::string>& b);

}  // namespace vitrail::trainer
