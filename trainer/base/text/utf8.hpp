// Names and settings end up in JSON, whose text is UTF-8; a file system takes any bytes.
#pragma once

#include <string_view>

namespace vitrail {

bool is_utf8(std::string_view text);  // no overlong forms, surrogates or numbers above U+10FFFF

}  // namespace vitrail
