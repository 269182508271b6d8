#include "datasets/augment/caption.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <string_view>

namespace vitrail::datasets {
namespace {

constexpr int kRows = 5, kColumns = 3;

struct Glyph {
  char letter;
  std::string_view rows;  // an octal digit for each row of three dots
};

constexpr Glyph kGlyphs[] = {
    {' ', "00000"}, {'A', "25755"},  {'B', "65656"}, {'C', "34443"}, {'D', "65556"}, {'E', "74647"},
    {'F', "74644"}, {'G', "34553"},  {'H', "55755"}, {'I', "72227"}, {'J', "11152"}, {'K', "55655"},
    {'L', "44447"}, {'M', "57755"},  {'N', "65555"}, {'O', "25552"}, {'P', "65644"}, {'Q', "25563"},
    {'R', "65655"}, {'S', "34216"},  {'T', "72222"}, {'U', "55557"}, {'V', "55552"}, {'W', "55775"},
    {'X', "55255"}, {'Y', "55222"},  {'Z', "71247"}, {'0', "75557"}, {'1', "26227"}, {'2', "61247"},
    {'3', "61216"}, {'4', "55711"},  {'5', "74616"}, {'6', "34757"}, {'7', "71222"}, {'8', "75757"},
    {'9', "75716"}, {'.', "00002"},  {',', "00024"}, {':', "02020"}, {';', "02024"}, {'-', "00700"},
    {'+', "02720"}, {'_', "00007"},  {'/', "11244"}, {'(', "12221"}, {')', "42224"}, {'%', "51245"},
    {'#', "57575"}, {'\'', "22000"}, {'"', "55000"}, {'=', "07070"}, {'*', "05250"}, {'<', "12421"},
    {'>', "42124"}, {'!', "22202"},  {'&', "25253"}, {'@', "25743"}, {'[', "32223"}, {']', "62226"}};
constexpr std::string_view kUnknown = "61202";

bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

int letters_in(const std::string& text) {
  return static_cast<int>(std::ranges::count_if(text, [](char c) { return !continues_character(c); }));
}

std::string_view glyph_of(char c) {
  const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const auto found = std::ranges::find(kGlyphs, upper, &Glyph::letter);
  return found == std::end(kGlyphs) ? kUnknown : found->rows;
}

void draw_dot(int left, int top, int scale, Image& image) {
  for (int y = std::max(top, 0); y < std::min(top + scale, image.height); ++y) {
    for (int x = std::max(left, 0); x < std::min(left + scale, image.width); ++x)
      std::fill_n(image.row(y) + 3 * x, 3, 0);
  }
}

// As many letters as fit, taken off the front.
std::string take_letters(std::string& word, int letters) {
  std::size_t end = 0;
  for (int taken = 0; end < word.size(); ++end) {
    if (!continues_character(word[end]) && taken++ == letters) break;
  }
  std::string front = word.substr(0, end);
  word.erase(0, end);
  return front;
}

}  // namespace

std::vector<std::string> caption_lines(const std::string& text, int letters) {
  std::vector<std::string> lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    while (!word.empty()) {
      const bool fits = !lines.empty() && letters_in(lines.back()) + 1 + letters_in(word) <= letters;
      if (fits) {
        lines.back() += " " + take_letters(word, letters);
      } else {
        lines.push_back(take_letters(word, std::max(letters, 1)));
      }
    }
  }
  return lines;
}

void draw_caption(const std::vector<std::string>& lines, int left, int top, int scale, Image& image) {
  for (const std::string& line : lines) {
    int x = left;
    for (const char c : line) {
      if (continues_character(c)) continue;
      const std::string_view rows = glyph_of(c);
      for (int row = 0; row < kRows; ++row) {
        for (int column = 0; column < kColumns; ++column) {
          const bool set = ((rows[static_cast<std::size_t>(row)] - '0') >> (kColumns - 1 - column) & 1) != 0;
          if (set) draw_dot(x + column * scale, top + row * scale, scale, image);
        }
      }
      x += kCaptionLetter * scale;
    }
    top += kCaptionLine * scale;
  }
}

}  // namespace vitrail::datasets
