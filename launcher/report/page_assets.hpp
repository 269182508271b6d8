// The files of launcher/report/page and D3, as they were when this program was built (ci/cmake/embed.cmake).
#pragma once

#include <string_view>

namespace vitrail::launcher {

std::string_view d3_script();
std::string_view d3_license();
std::string_view page_script();
std::string_view page_style();

}  // namespace vitrail::launcher
