"""What the documents are held to, and the parts of them that are made from the code.

    markdown.py     a document as its readers find it: headings, links, code
    commands.py     the commands in it, and what is wrong with each
    generated.py    the parts between `<!-- NAME:begin -->` and `<!-- NAME:end -->`, made from the code's tables

`python -m tests.documents` writes the generated parts anew; do that when test_documents says that one is not what the
code says.
"""
