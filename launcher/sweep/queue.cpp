#include "launcher/sweep/queue.hpp"

#include <algorithm>
#include <array>
#include <sstream>

#include <nlohmann/json.hpp>

#include "launcher/ranks/command_output.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/files/atomic_file.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kPatience = 30;  // seconds that Slurm may take to answer

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, '|');) {
    const std::size_t first = field.find_first_not_of(' ');
    fields.push_back(
        first == std::string::npos ? "" : field.substr(first, field.find_last_not_of(' ') + 1 - first));
  }
  if (line.ends_with('|')) fields.emplace_back();
  return fields;
}

bool is_running(const std::string& state) {
  const std::array<const char*, 7> states = {"RUNNING",   "CONFIGURING", "SUSPENDED", "STOPPED",
                                             "SIGNALING", "RESIZING",    "STAGE_OUT"};
  return std::ranges::any_of(states, [&](const char* s) { return state == s; });
}

bool is_waiting(const std::string& state) {
  const std::array<const char*, 5> states = {"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD",
                                             "SPECIAL_EXIT"};
  return std::ranges::any_of(states, [&](const char* s) { return state == s; });
}

struct ArrayNote {
  std::string job;
  std::map<std::string, std::string> tasks;  // number in the array -> name
};

// In the order of submitting.
std::vector<ArrayNote> read_notes(const fs::path& folder) {
  std::vector<ArrayNote> notes;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(folder, none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("array-") || !name.ends_with(".json")) continue;
    try {
      const auto json = nlohmann::json::parse(read_text(entry.path()));
      notes.push_back({json.at("job"), json.at("tasks")});
    } catch (const nlohmann::json::exception& e) {
      throw Error(ExitCode::bad_data, fmt::format("{}: {}", entry.path().string(), e.what()));
    }
  }
  std::ranges::sort(notes, [](const ArrayNote& a, const ArrayNote& b) {
    return std::pair(a.job.size(), a.job) < std::pair(b.job.size(), b.job);
  });
  return notes;
}

}  // namespace

std::vector<std::pair<std::string, QueueEntry>> parse_queue(const std::string& text) {
  std::vector<std::pair<std::string, QueueEntry>> entries;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> fields = fields_of(line);
    if (fields.size() != 5) continue;
    const QueueEntry state{"", fields[4], is_running(fields[3]), is_waiting(fields[3])};
    // A job that is completing has ended, and says nothing of what becomes of it.
    if (!state.running && !state.waiting && fields[3] != "COMPLETING") continue;
    const bool of_array = !fields[2].empty() && fields[2] != "N/A";
    entries.emplace_back(fields[0], state);
    entries.back().second.job = of_array ? fields[1] + "_" + fields[2] : fields[0];
  }
  return entries;
}

SweepQueue ask_queue(const fs::path& folder, const std::set<std::string>& more_jobs) {
  SweepQueue queue;
  std::set<std::string> jobs = more_jobs;
  std::map<std::string, std::string> name_of;  // "12_3" -> the task's name
  for (const ArrayNote& note : read_notes(folder)) {
    jobs.insert(note.job);
    for (const auto& [number, name] : note.tasks) name_of[note.job + "_" + number] = name;
  }
  queue.asked = !jobs.empty();
  if (!queue.asked) return queue;
  std::string ids;
  for (const std::string& job : jobs) ids += (ids.empty() ? "" : ",") + job;
  const CommandOutput output =
      output_of({"timeout", "-s", "KILL", std::to_string(kPatience), "squeue", "--noheader", "--array",
                 "--jobs=" + ids, fmt::format("--format={}", kQueueFormat)},
                "2>&1");
  // A single job that has been forgotten is an error of its own.
  queue.answered = output.status == 0 || output.text.find("Invalid job id") != std::string::npos;
  if (!queue.answered) return queue;
  for (const auto& [id, entry] : parse_queue(output.text)) {
    queue.by_job[id] = entry;
    if (const auto name = name_of.find(entry.job); name != name_of.end()) {
      QueueEntry& known = queue.by_task[name->second];
      if (known.job.empty() || entry.running) known = entry;
    }
  }
  return queue;
}

void note_array(const Sweep& sweep, const std::string& job, const std::vector<std::size_t>& tasks) {
  Json names = Json::object();
  for (const std::size_t task : tasks) names[std::to_string(task)] = sweep.runs[task].task.name;
  write_text_atomically(sweep.folder / fmt::format("array-{}.json", job),
                        Json({{"job", job}, {"tasks", names}}).dump(1) + "\n");
}

}  // namespace vitrail::launcher
