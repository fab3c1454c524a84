#pragma once

#include "worker/jinja_cursor.h"

namespace brinkmap::worker::jinja {

// One expression, or several with commas between. `choice`: a conditional expression may stand there. Both
// throw TemplateError and leave the cursor behind what they read.
NodePtr parse_tuple(TokenCursor& cursor, bool choice = true);
NodePtr parse_expression(TokenCursor& cursor);

}  // namespace brinkmap::worker::jinja
