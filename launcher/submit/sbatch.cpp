#include "launcher/submit/sbatch.hpp"

#include "launcher/ranks/command_output.hpp"

namespace vitrail::launcher {

Submitted submit_job(const std::vector<std::string>& words) {
  const CommandOutput output = output_of(words);
  // "Submitted batch job 12", or with --parsable "12;cluster".
  const std::size_t first = output.text.find_first_of("0123456789");
  const std::size_t end = output.text.find_first_not_of("0123456789", first);
  if (output.status != 0 || first == std::string::npos) return {output.status, "", output.text};
  return {0, output.text.substr(first, end - first), output.text};
}

std::string without_patterns(const std::string& path) {
  std::string text;
  for (const char c : path) text += c == '%' ? std::string("%%") : std::string(1, c);
  return text;
}

}  // namespace vitrail::launcher
