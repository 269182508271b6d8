// A text that a person wrote: settings, lists of classes and of labels. Editors save it in several ways, and
// a wrong name leads to something else. Throws: Error(`malformed`) for what is no UTF-8 text, naming what it
// is where that is known; Error(io).
#pragma once

#include <filesystem>
#include <string>

#include "trainer/base/error.hpp"

namespace vitrail {

// Without the byte order mark that some editors put before UTF-8.
std::string read_written_text(const std::filesystem::path& path, ExitCode malformed);

}  // namespace vitrail
