#include "launcher/ranks/command_output.hpp"

#include <array>
#include <cstdio>

#include <sys/wait.h>

#include "launcher/options/shell_words.hpp"

namespace vitrail::launcher {

CommandOutput output_of(const std::vector<std::string>& words, const std::string& more) {
  std::string command;
  for (const std::string& word : words) command += shell_quoted(word) + " ";
  CommandOutput output;
  FILE* pipe = ::popen((command + more).c_str(), "re");
  if (pipe == nullptr) return {127, ""};
  std::array<char, 4096> piece{};
  for (std::size_t size = 0; (size = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;)
    output.text.append(piece.data(), size);
  const int status = ::pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

}  // namespace vitrail::launcher
