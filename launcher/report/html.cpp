#include <string_view>

#include <fmt/format.h>

#include "launcher/report/forms.hpp"
#include "launcher/report/page_assets.hpp"

namespace vitrail::launcher {
namespace {

// A browser that keeps to this policy asks nobody for anything.
constexpr std::string_view kPolicy =
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";

std::string without_markup(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    safe += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return safe;
}

std::string title_of(const Report& report) {
  if (report.runs.size() == 1) return report.runs.front().name;
  return fmt::format("{} runs", report.runs.size());
}

}  // namespace

std::string report_html(const Report& report, std::size_t points) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<title>{} - vitrail report</title>\n<style>\n{}</style>\n</head>\n<body>\n"
      "<noscript>This report draws its data by a script that it holds; nothing is fetched.</noscript>\n"
      "<main id=\"report\"></main>\n<script type=\"application/json\" id=\"data\">{}</script>\n"
      "<!-- D3 draws the curves. {} -->\n<script>{}</script>\n<script>\n{}</script>\n</body>\n</html>\n",
      kPolicy, without_markup(title_of(report)), page_style(), report_json(report, points), d3_license(),
      d3_script(), page_script());
}

}  // namespace vitrail::launcher
