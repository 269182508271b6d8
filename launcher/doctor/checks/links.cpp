#include "launcher/doctor/checks/links.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "trainer/base/median.hpp"

namespace vitrail::launcher {
namespace {

constexpr const char* kNetwork = "network";
constexpr double kMuchLess = 0.5;  // a share of what is expected, or of the other pairs

struct Kind {
  std::vector<double> bytes_per_s, message_s;
  const Link* slowest = nullptr;

  explicit Kind(const std::vector<Link>& links, bool across) {
    for (const Link& link : links) {
      if (link.across != across) continue;
      bytes_per_s.push_back(link.bytes_per_s);
      message_s.push_back(link.message_s);
      if (slowest == nullptr || link.bytes_per_s < slowest->bytes_per_s) slowest = &link;
    }
  }
  double gb_per_s() const { return upper_median(bytes_per_s) / 1e9; }
  double us() const { return upper_median(message_s) * 1e6; }
};

std::string rate_text(double gb_per_s) {
  return gb_per_s < 0.1 ? fmt::format("{:.3g} MB/s", 1e3 * gb_per_s) : fmt::format("{:.3g} GB/s", gb_per_s);
}

std::string pair_text(const Link& link, const std::vector<std::string>& hosts) {
  const auto rank = [&](int number) {
    return fmt::format("rank {} ({})", number, hosts[static_cast<std::size_t>(number)]);
  };
  return fmt::format("{} - {}: {}", rank(link.rank), rank(link.peer), rate_text(link.bytes_per_s / 1e9));
}

Finding check_kind(const Kind& kind, bool across, const std::vector<std::string>& hosts,
                   const ExpectedLinks& expected, bool infiniband) {
  const double gb_per_s = kind.gb_per_s();
  const std::size_t pairs = kind.bytes_per_s.size();
  Finding finding{kNetwork, across ? "across nodes" : "inside a node"};
  finding.numbers = {{"gb_per_s", gb_per_s},
                     {"message_us", kind.us()},
                     {"slowest_gb_per_s", kind.slowest->bytes_per_s / 1e9},
                     {"pairs", static_cast<double>(pairs)}};
  finding.figure =
      fmt::format("{} each way, {} a message", rate_text(gb_per_s), seconds_text(kind.us() * 1e-6));
  if (pairs > 1) finding.figure += fmt::format(" (median of {} pairs)", pairs);
  const auto& wanted = across ? expected.network_gb_per_s : expected.node_gb_per_s;
  if (wanted)
    finding.figure += fmt::format("; plan counts with {} ({})", rate_text(*wanted), expected.source);
  if (wanted) finding.numbers["expected_gb_per_s"] = *wanted;
  constexpr double kTcp = 1.5;  // GB/s, about what one connection carries
  if (across && infiniband && gb_per_s < kTcp) {
    finding.verdict = Verdict::warning;
    finding.figure += "; there is InfiniBand, but this is what TCP carries";
    finding.remedy =
        "use an Open MPI with UCX (ompi_info | grep ucx), and for NCCL see NCCL_DEBUG=INFO; plans: "
        "vitrail plan --measured-links";
  } else if (wanted && gb_per_s < kMuchLess * *wanted) {
    finding.verdict = Verdict::warning;
    finding.remedy = across ? "is the fast network in use (NCCL_SOCKET_IFNAME, btl_tcp_if_include), and "
                              "nobody else on it? Plan with "
                              "what there is: vitrail doctor --links FILE, vitrail plan --measured-links FILE"
                            : "nvidia-smi topo -m tells how GPUs are joined, NCCL_DEBUG=INFO which way is "
                              "taken. Plan with what there "
                              "is: vitrail doctor --links FILE, vitrail plan --measured-links FILE";
  } else if (pairs > 2 && kind.slowest->bytes_per_s / 1e9 < kMuchLess * gb_per_s) {
    finding.verdict = Verdict::warning;
    finding.figure += fmt::format("; slowest {}", pair_text(*kind.slowest, hosts));
    finding.remedy =
        "all ranks wait for the slowest pair: look at its cable and port, or leave the node out (--exclude)";
  }
  return finding;
}

}  // namespace

Findings check_links(const LinkFacts& facts, const std::vector<std::string>& hosts,
                     const ExpectedLinks& expected, bool infiniband) {
  Findings findings;
  for (const bool across : {false, true}) {
    const Kind kind(facts.links, across);
    if (kind.slowest != nullptr) findings.push_back(check_kind(kind, across, hosts, expected, infiniband));
  }
  if (facts.all_reduce_s) {
    const double rate = *facts.all_reduce_bytes / *facts.all_reduce_s;
    findings.push_back({kNetwork,
                        "all-reduce",
                        Verdict::ok,
                        fmt::format("{} of gradients in {}: {}", bytes_text(*facts.all_reduce_bytes),
                                    seconds_text(*facts.all_reduce_s), rate_text(rate / 1e9)),
                        "",
                        {{"bytes", *facts.all_reduce_bytes}, {"seconds", *facts.all_reduce_s}}});
  }
  return findings;
}

MeasuredLinks medians_of(const LinkFacts& facts, const std::vector<std::string>& hosts) {
  MeasuredLinks links;
  links.ranks = static_cast<std::int64_t>(hosts.size());
  links.nodes = static_cast<std::int64_t>(std::set<std::string>(hosts.begin(), hosts.end()).size());
  const Kind inside(facts.links, false), across(facts.links, true);
  if (inside.slowest != nullptr) {
    links.node_gb_per_s = inside.gb_per_s();
    links.node_us = inside.us();
  }
  if (across.slowest != nullptr) {
    links.network_gb_per_s = across.gb_per_s();
    links.network_us = across.us();
  }
  return links;
}

}  // namespace vitrail::launcher
