#include "sharding/state/adaptive_clipping.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <utility>

namespace vitrail::sharding {
namespace {

constexpr double kLeastWeights = 1e-3, kLeastGradient = 1e-6;  // timm's

Squares total(std::span<const Squares> squares) {
  Squares sum;
  for (const Squares& s : squares) {
    sum.first += s.first;
    sum.second += s.second;
  }
  return sum;
}

}  // namespace

template <class Each>
void AdaptiveClipping::for_each_part(const Piece& piece, std::int64_t unit, const Each& each) {
  for (std::int64_t begin = 0; begin < piece.elements;) {
    const std::int64_t at = piece.in_parameter + begin;
    const std::int64_t elements = std::min(unit - at % unit, piece.elements - begin);
    each(UnitPart{at / unit, begin, elements, elements == unit,
                  begin > 0 && begin + elements == piece.elements});
    begin += elements;
  }
}

AdaptiveClipping::Parts& AdaptiveClipping::own_parts(LaneState& state, GradientReducer& gradients) {
  std::vector<std::byte*> sums = gradients.sums();
  if (!own_.sums.empty() && own_.sums == sums) return own_;
  own_ = {};
  own_.sums = std::move(sums);
  const auto width = static_cast<std::int64_t>(size_of(state.type()));
  const auto& pieces = state.plan().pieces;
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const std::int64_t unit = units_[pieces[p].parameter];
    if (!state.owns(pieces[p]) || unit == 0) continue;
    for_each_part(pieces[p], unit, [&](const UnitPart& part) {
      const std::size_t begin = own_.list.runs.size();
      for (std::int64_t first = 0; first < part.elements; first += kUpdateRun) {
        const std::int64_t at = part.in_piece + first;
        UpdateRun& run = own_.list.runs.emplace_back();
        run.elements = std::min(kUpdateRun, part.elements - first);
        run.sum = own_.sums[pieces[p].bucket] + (state.offset_of(pieces[p]) + at) * width;
        run.weight = state.piece(StateKind::weight, pieces[p]) + at * width;
        run.scalars = static_cast<std::int64_t>(own_.parts.size());
      }
      own_.parts.push_back({p, part, begin, own_.list.runs.size()});
    });
  }
  own_.list.scalars.resize(own_.parts.size());
  return own_;
}

double AdaptiveClipping::factor(const Squares& gradient_and_weight, double scale) const {
  const double gradient = std::sqrt(gradient_and_weight.first) * scale;
  const double most = std::max(std::sqrt(gradient_and_weight.second), kLeastWeights) * share_;
  return gradient < most ? 1 : most / std::max(gradient, kLeastGradient);
}

void AdaptiveClipping::clip_whole_units(LaneState& state, GradientReducer& gradients, double scale,
                                        PerTensorSums& sums, std::size_t norm) {
  const auto& pieces = state.plan().pieces;
  Parts& own = own_parts(state, gradients);
  for (const Parts::Own& of : own.parts) sums.at(of.piece, norm) = 0;
  std::vector<Squares> squares(own.list.runs.size());
  state.device().compute().update(UpdateKernel::squares, state.type(), own.list, squares);
  for (std::size_t i = 0; i < own.parts.size(); ++i) {
    const auto& [p, part, begin, end] = own.parts[i];
    const Squares of_part = total(std::span(squares).subspan(begin, end - begin));
    const double clip = part.whole ? factor(of_part, scale) : 1;
    own.list.scalars[i].factor = clip;
    if (!gradients.layout().own.contains(pieces[p].lane)) continue;  // stage 0: its owner says
    if (part.whole) {
      sums.at(p, norm) += of_part.first * clip * clip;
    } else {
      sums.at(p, part.column(norm)) = of_part.first;
      sums.at(p, part.column(norm) + 1) = of_part.second;
    }
  }
  state.device().compute().update(UpdateKernel::scale, state.type(), own.list, {});
}

double AdaptiveClipping::clip_cut_units(LaneState& state, GradientReducer& gradients, double scale,
                                        const PerTensorSums& sums, std::size_t norm) {
  const auto& pieces = state.plan().pieces;
  using Unit = std::pair<std::size_t, std::int64_t>;  // parameter, number
  std::map<Unit, Squares> cut;
  for (std::size_t p = 0; p < pieces.size(); ++p) {
    const std::int64_t unit = units_[pieces[p].parameter];
    if (unit == 0) continue;
    for_each_part(pieces[p], unit, [&](const UnitPart& part) {
      if (part.whole) return;
      Squares& of_unit = cut[{pieces[p].parameter, part.unit}];
      of_unit.first += sums.at(p, part.column(norm));  // in lane order
      of_unit.second += sums.at(p, part.column(norm) + 1);
    });
  }
  Parts& own = own_parts(state, gradients);
  for (std::size_t i = 0; i < own.parts.size(); ++i) {
    const auto& [p, part, begin, end] = own.parts[i];
    own.list.scalars[i].factor = part.whole ? 1 : factor(cut.at({pieces[p].parameter, part.unit}), scale);
  }
  state.device().compute().update(UpdateKernel::scale, state.type(), own.list, {});
  double total = 0;
  for (const double square : sums.by_parameter(norm)) total += square;
  for (const auto& [unit, squares] : cut) {
    const double clip = factor(squares, scale);
    total += squares.first * clip * clip;
  }
  return total;
}

}  // namespace vitrail::sharding
