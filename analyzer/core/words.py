"""The words that findings carry and no rule makes: what each means, and what to do.

A rule's word is explained by the docstring of its file; these are explained here, in the
same form, so that whatever stands in a report can be looked up.
"""

from dataclasses import dataclass
from inspect import cleandoc


@dataclass(frozen=True, slots=True)
class Word:
    """What a finding goes by where no rule speaks.

    Attributes:
        slug: As it stands in a report.
        summary: What is wrong, in a sentence.
        page: Cause, evidence and what to do, under the headings of a rule's docstring.
    """

    slug: str
    summary: str
    page: str

    @property
    def text(self) -> str:
        """The whole explanation, as a rule's docstring would give it."""
        return f"{self.summary}\n\n{cleandoc(self.page)}"


UNEXPLAINED = Word(
    "unexplained",
    "A part of the target is wrong, and no rule knows why.",
    """
    Cause
        Unknown: none of the rules finds its pattern here. That the part is wrong is
        measured all the same.

    Evidence
        Fed the source's own values, the part gives other results than the source's by more
        than rounding explains, or the runtime stops at it; the message has the numbers.

    Repair
        None is known. Compare the operators that the message names, side by side: `inspect`
        lists them. A rule of your own can mend it: `--rules FOLDER`.
    """,
)

REDUCED_PRECISION = Word(
    "reduced-precision",
    "One side computes with fewer bits than the other, as it declares.",
    """
    Cause
        A deliberate conversion to half precision or int8.

    Evidence
        Every part that is off loses no more than its declared number type allows.

    Repair
        None is needed: it is drift, no fault. Where the loss is too large, convert again
        and leave the operators out that the message names.
    """,
)

RUNTIME_REFUSES = Word(
    "runtime-refuses",
    "The target's own runtime does not take it, though its parts can be compared.",
    """
    Cause
        The file asks for something that this runtime does not have, or declares what its
        nodes do not give, while what the nodes compute is right.

    Evidence
        The message is the runtime's own; no part deviates from the source's.

    Repair
        Follow the runtime's message: convert for that runtime's version, or install the one
        that the converter wrote for.
    """,
)

RUNTIME_OPTIMIZER = Word(
    "runtime-optimizer",
    "The runtime's own graph optimizer changes what the model computes.",
    """
    Cause
        A bug of an optimization pass of ONNX Runtime, which rewrites the model as it loads.

    Evidence
        Run as it is written, the model gives other outputs than when it is optimized, by
        more than rounding explains; the message names the part where that begins.

    Repair
        Load the model with a lower graph optimization level, or disable the optimizer that
        touches the named nodes; tell the runtime's developers.
    """,
)

UNFAITHFUL_IMPORT = Word(
    "unfaithful-import",
    "The ONNX form in which a model is compared is not what its own framework computes.",
    """
    Cause
        The exporter or importer that brings a model into ONNX form has a bug of its own, or
        leaves something out.

    Evidence
        The ONNX form and the native model give other outputs for the same sample, by more
        than rounding explains.

    Repair
        None: the model in the file may be right. Operators that are spelled with others do
        no harm here, and your own export may have the same fault. Otherwise try another
        version of the framework's exporter, or give the model as `.onnx`.
    """,
)

OUTPUT_RESHAPED = Word(
    "output-reshaped",
    "An output has the source's values in another shape.",
    """
    Cause
        The converter kept, dropped or added an axis of size one, or flattened the output:
        keepdims of a reduction, a lost Squeeze, a classifier's extra axes.

    Evidence
        The values agree, the shapes that both runtimes give do not; the message has both,
        and the first node on the way whose result has another shape.

    Repair
        Where a reduction says otherwise, its keepdims as the source has it. Else squeeze or
        reshape where the message says, or in the code that reads the output.
    """,
)

INTERFACE_DIFFERS = Word(
    "interface-differs",
    "One model has inputs or outputs that the other lacks, or of sizes that do not fit.",
    """
    Cause
        The converter dropped, added or cut off inputs or outputs, or declared other sizes;
        or the two files are not the same network.

    Evidence
        Inputs and outputs are paired by name, then by number type, sizes and place; the
        message lists what is left over, or both sizes.

    Repair
        Name the inputs and outputs at conversion: `--inputs` and `--outputs` of tf2onnx,
        `input_names` and `output_names` of torch.onnx; `--input-shapes` for sizes.
    """,
)

UNRELATED_MODELS = Word(
    "unrelated-models",
    "The two files do not look like the same model.",
    """
    Cause
        Another file was given than was meant: another network, or another version of it
        that was built anew and trained anew.

    Evidence
        Few operators of the one have a counterpart in the other, next to none of its
        weights occurs there in any layout or scale, and the outputs differ; the message
        counts them.

    Repair
        None is offered: to mend the target would be to write the source again. Check both
        paths. Where the two do belong together, name some layers that do in a file for
        `--pairs`.
    """,
)

AMPLIFIED_ROUNDING = Word(
    "amplified-rounding",
    "The outputs differ although every part is right within rounding.",
    """
    Cause
        The model makes much of small differences: it divides by something near zero,
        decides between close candidates, or is very deep.

    Evidence
        Each part, fed the source's values, computes the same within rounding, and the
        outputs differ by little more than what rounding alone does to the whole model.

    Repair
        None is needed: it is drift, no fault. More samples, or real ones with `--inputs`,
        tell whether it matters.
    """,
)

CONSTANT_OUTPUT = Word(
    "constant-output",
    "An output that no input reaches holds another constant than the source's.",
    """
    Cause
        The converter computed a part of the model in advance, and wrongly or in a narrower
        number type.

    Evidence
        No input reaches the output in the target, and its values are not the source's.

    Repair
        None is offered: no operator computes it any more. Convert without constant folding,
        or write the source's values into the output.
    """,
)

WORDS = (
    UNEXPLAINED,
    REDUCED_PRECISION,
    RUNTIME_REFUSES,
    RUNTIME_OPTIMIZER,
    UNFAITHFUL_IMPORT,
    OUTPUT_RESHAPED,
    INTERFACE_DIFFERS,
    UNRELATED_MODELS,
    AMPLIFIED_ROUNDING,
    CONSTANT_OUTPUT,
)
"""Every word; a test finds one that is left out."""
