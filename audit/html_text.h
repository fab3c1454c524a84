#pragma once

#include <string>

// Text and numbers as a page may hold them.
namespace brinkmap::audit {

// The text as one line of valid UTF-8 without markup: safe between tags and between double quotes.
std::string escape(const std::string& text);

// ` name="value"`, escaped; nothing for an empty value.
std::string attribute(const char* name, const std::string& value);

// ` data-row=3`: the row of the matrix that an element is about; nothing for an empty id.
std::string row_attribute(const std::string& id);

// A coordinate or length with at most one decimal: "12.5", "3".
std::string coordinate(double value);

// "+3.2", "−0.5" with a minus sign for people; "-" for NaN.
std::string signed_text(double value, int digits);

}  // namespace brinkmap::audit
