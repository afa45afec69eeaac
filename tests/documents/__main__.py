"""`python -m tests.documents`: write the generated parts of the documents anew."""

from tests.documents.generated import written
from tests.documents.markdown import ROOT

for path, text in written().items():
    (ROOT / path).write_text(text)
