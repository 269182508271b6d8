#include "trainer/base/text/utf8.hpp"

#include <nlohmann/json.hpp>

namespace vitrail {

bool is_utf8(std::string_view text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

}  // namespace vitrail
