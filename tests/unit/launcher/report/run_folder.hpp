// A run's folder as a run would leave it, written line by line; removed at the end.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace vitrail::tests {

class RunFolder {
 public:
  explicit RunFolder(const std::string& name)
      : root_(std::filesystem::path(testing::TempDir()) / fmt::format("vitrail_report_{}", ::getpid())),
        path_(root_ / name) {
    std::filesystem::create_directories(path_);
  }
  ~RunFolder() { std::filesystem::remove_all(path_); }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  const std::filesystem::path& parent() const { return root_; }

  void add(const std::string& file, const std::string& line) const {
    std::ofstream(path_ / file, std::ios::app) << line << '\n';
  }

  // `second`: of the time of day, as are all below.
  void step(int step, double loss, int attempt, int second, int skipped = 0) const {
    add("metrics.jsonl",
        fmt::format(
            R"({{"step":{},"epoch":{},"loss":{},"lr":0.5,"skipped":{},"images_per_s":{},"seconds":0.25,)"
            R"("phase":{{"forward":0.125}},"attempt":{},"time":"{}"}})",
            step, step / 4.0, loss, skipped, 100 + step, attempt, at(second)));
  }
  void evaluation(int step, double top1, int attempt, int second) const {
    add("metrics.jsonl", fmt::format(R"({{"step":{},"eval":{{"images":8,"top1":{},"loss":1.5}},"attempt":{},)"
                                     R"("time":"{}"}})",
                                     step, top1, attempt, at(second)));
  }
  void begin(int attempt, int step, int world, int second) const {
    add("events.jsonl", fmt::format(R"({{"time":"{}","attempt":{},"kind":"begin","step":{},"text":"begins",)"
                                    R"("world":{},"nodes":1,"planned_steps":8}})",
                                    at(second), attempt, step, world));
  }
  void event(const std::string& kind, int attempt, int step, int second) const {
    add("events.jsonl", fmt::format(R"({{"time":"{}","attempt":{},"kind":"{}","step":{},"text":"it is {}"}})",
                                    at(second), attempt, kind, step, kind));
  }

 private:
  static std::string at(int second) { return fmt::format("2026-11-29T06:30:{:02}.500Z", second); }

  std::filesystem::path root_, path_;
};

}  // namespace vitrail::tests
