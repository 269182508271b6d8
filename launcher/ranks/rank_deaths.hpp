// What mpirun and srun say on stderr when a rank dies by itself, so that `launch` can name it; and mpirun's
// boxes of twenty lines, of which one is enough. Pure but for OutOfMemoryKills.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vitrail::launcher {

struct RankDeath {
  std::string ranks;  // as the launcher names them: "1", "2-3"
  std::string node;   // empty: the rank was never started, and srun does not say where
  std::string how;    // "Killed", "Segmentation fault", "Out Of Memory", "Exited with exit code 127"
};

// "srun: error: n1: task 3: Killed"; "srun: error: task 3 launch failed: Unspecified error"; "mpirun noticed
// that process rank 3 with PID 7 on node n1 exited on signal 9 (Killed)." Absent: another line.
std::optional<RankDeath> rank_death(const std::string& line);

// Takes stderr line by line and passes on what is neither one of mpirun's boxes about ranks that ended nor
// what mpirun and srun say of ranks that are asked to stop, and then save and stop.
class StderrFilter {
 public:
  using Write = std::function<void(const std::string& text)>;  // whole lines, or the last one's beginning

  explicit StderrFilter(Write write) : write_(std::move(write)) {}

  void take(const std::string& bytes);
  void end();  // what is still held back
  // Those that came first: not of ranks that ended with a status of ours or with their step.
  const std::vector<RankDeath>& deaths() const { return deaths_; }

 private:
  void take_line(const std::string& line);
  void take_death(const RankDeath& death);

  Write write_;
  std::string partial_;
  std::optional<std::string> box_;  // what of a box has come so far
  std::size_t box_lines_ = 0;
  std::vector<RankDeath> deaths_;
  bool step_ends_ = false, cause_is_known_ = false;
};

// The kernel's count of processes that it killed for want of memory: of our cgroup where that is told, else
// of this host.
class OutOfMemoryKills {
 public:
  OutOfMemoryKills() : before_(count()) {}
  bool happened() const { return count() > before_; }

 private:
  static std::int64_t count();
  std::int64_t before_;
};

}  // namespace vitrail::launcher
