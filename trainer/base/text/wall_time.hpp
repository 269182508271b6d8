// The time of day, for people and for records; nothing is ever decided by it.
#pragma once

#include <string>

namespace vitrail {

std::string local_time();  // "2026-11-29 02:15:16"
std::string utc_time();    // ISO 8601: "2026-11-29T02:15:16.123Z"

}  // namespace vitrail
