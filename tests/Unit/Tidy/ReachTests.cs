// How much there is to read for whoever wants to know what can happen where privilege is: not by folders but by calls. The
// compiled assembly is walked from every method of the rooms that hold a capability, and of the listener, to all that they
// may call; the debug information tells which source lines that is. What a forked child runs is not reached from there: it
// comes as a function pointer from Program.cs, after privilege was given up.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection.Emit;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Xunit;

namespace Aotftpd.Unit.Tidy;

public sealed class ReachTests
{
    private static readonly string[] s_roots =
        ["Aotftpd.Spawner", "Aotftpd.Privilege", "Aotftpd.Workers.Auth", "Aotftpd.Workers.Chowner", "Aotftpd.Listener"];

    // Tables, with a sentence in each row: read as such.
    private static readonly string[] s_data = ["SeccompTable.cs", "OptionTable.cs", "RoleTable.cs"];

    private static readonly Dictionary<int, OpCode> s_codes = typeof(OpCodes).GetFields().Select(f => (OpCode)f.GetValue(null)!).ToDictionary(c => (int)(ushort)c.Value);

    [Fact]
    public void What_privileged_code_and_the_listener_can_reach_is_less_than_four_thousand_lines()
    {
        string assembly = typeof(Spawner.SpawnerEntry).Assembly.Location;
        using PEReader image = new(File.OpenRead(assembly));
        using MetadataReaderProvider symbols = MetadataReaderProvider.FromPortablePdbStream(File.OpenRead(Path.ChangeExtension(assembly, ".pdb")));
        HashSet<MethodDefinitionHandle> reached = Walk(image, image.GetMetadataReader());
        Dictionary<string, int> lines = Lines(reached, symbols.GetMetadataReader());
        int sum = lines.Values.Sum();
        foreach ((string room, int count) in lines.OrderBy(l => l.Key, StringComparer.Ordinal))
        {
            TestContext.Current.TestOutputHelper!.WriteLine($"{room} {count}");
        }
        TestContext.Current.TestOutputHelper!.WriteLine("lines reachable from privileged code and the listener: " + sum);
        // The walk itself must have gone somewhere: the loop of the spawners, the listener's, and the calls of libc behind them.
        Assert.All(["Spawner", "Listener", "Native", "Ipc"], room => Assert.True(lines.GetValueOrDefault(room) > 50, room));
        Assert.DoesNotContain("Commands", lines.Keys);
        Assert.DoesNotContain("Files", lines.Keys);
        Assert.InRange(sum, 1000, 4000);
    }

    private static HashSet<MethodDefinitionHandle> Walk(PEReader image, MetadataReader reader)
    {
        Dictionary<string, List<MethodDefinitionHandle>> byName = [];
        Stack<MethodDefinitionHandle> open = new();
        foreach (TypeDefinitionHandle handle in reader.TypeDefinitions)
        {
            TypeDefinition type = reader.GetTypeDefinition(handle);
            foreach (MethodDefinitionHandle m in type.GetMethods())
            {
                string name = reader.GetString(reader.GetMethodDefinition(m).Name);
                name = name[(name.LastIndexOf('.') + 1)..];
                if (IsVirtual(reader, m) && name != "Finalize")
                {
                    (byName.TryGetValue(name, out List<MethodDefinitionHandle>? list) ? list : byName[name] = []).Add(m);
                }
                if (s_roots.Contains(Namespace(reader, handle)))
                {
                    open.Push(m);
                }
            }
        }
        HashSet<MethodDefinitionHandle> reached = [];
        while (open.TryPop(out MethodDefinitionHandle method))
        {
            if (!reached.Add(method))
            {
                continue;
            }
            MethodDefinition definition = reader.GetMethodDefinition(method);
            // Naming a type runs its static constructor; calling a virtual method may run any of its name.
            Push(StaticConstructor(reader, definition.GetDeclaringType()));
            if (IsVirtual(reader, method))
            {
                string name = reader.GetString(definition.Name);
                byName.GetValueOrDefault(name[(name.LastIndexOf('.') + 1)..])?.ForEach(m => Push(m));
            }
            foreach (EntityHandle used in Operands(image, definition))
            {
                Push(Definition(reader, used));
                if (used.Kind == HandleKind.FieldDefinition)
                {
                    Push(StaticConstructor(reader, reader.GetFieldDefinition((FieldDefinitionHandle)used).GetDeclaringType()));
                }
            }
        }
        return reached;

        void Push(MethodDefinitionHandle m)
        {
            if (!m.IsNil)
            {
                open.Push(m);
            }
        }
    }

    private static bool IsVirtual(MetadataReader reader, MethodDefinitionHandle method) =>
        (reader.GetMethodDefinition(method).Attributes & System.Reflection.MethodAttributes.Virtual) != 0;

    private static string Namespace(MetadataReader reader, TypeDefinitionHandle handle)
    {
        TypeDefinition type = reader.GetTypeDefinition(handle);
        return type.GetDeclaringType() is { IsNil: false } outer ? Namespace(reader, outer) : reader.GetString(type.Namespace);
    }

    private static MethodDefinitionHandle StaticConstructor(MetadataReader reader, TypeDefinitionHandle type) =>
        reader.GetTypeDefinition(type).GetMethods().FirstOrDefault(m => reader.GetString(reader.GetMethodDefinition(m).Name) == ".cctor");

    /// <summary>A method of this assembly behind a token; members of our own generic types are found by their name and type.</summary>
    private static MethodDefinitionHandle Definition(MetadataReader reader, EntityHandle used)
    {
        switch (used.Kind)
        {
            case HandleKind.MethodDefinition:
                return (MethodDefinitionHandle)used;
            case HandleKind.MethodSpecification:
                return Definition(reader, reader.GetMethodSpecification((MethodSpecificationHandle)used).Method);
            case HandleKind.MemberReference:
                MemberReference member = reader.GetMemberReference((MemberReferenceHandle)used);
                if (member.Parent.Kind != HandleKind.TypeSpecification || member.GetKind() != MemberReferenceKind.Method)
                {
                    return default;
                }
                // ELEMENT_TYPE_GENERICINST, CLASS or VALUETYPE, then the type.
                BlobReader blob = reader.GetBlobReader(reader.GetTypeSpecification((TypeSpecificationHandle)member.Parent).Signature);
                if (blob.ReadByte() != 0x15)
                {
                    return default;
                }
                blob.ReadByte();
                EntityHandle type = blob.ReadTypeHandle();
                return type.Kind != HandleKind.TypeDefinition ? default
                    : reader.GetTypeDefinition((TypeDefinitionHandle)type).GetMethods().FirstOrDefault(m => reader.GetMethodDefinition(m).Name.Equals(member.Name));
            default:
                return default;
        }
    }

    private static IEnumerable<EntityHandle> Operands(PEReader image, MethodDefinition method)
    {
        if (method.RelativeVirtualAddress == 0)
        {
            return [];
        }
        byte[] code = image.GetMethodBody(method.RelativeVirtualAddress).GetILBytes()!;
        List<EntityHandle> used = [];
        for (int at = 0; at < code.Length;)
        {
            int value = code[at++];
            OpCode op = s_codes[value == 0xFE ? 0xFE00 | code[at++] : value];
            switch (op.OperandType)
            {
                case OperandType.InlineMethod or OperandType.InlineTok or OperandType.InlineField or OperandType.InlineType:
                    used.Add(MetadataTokens.EntityHandle(BitConverter.ToInt32(code, at)));
                    at += 4;
                    break;
                case OperandType.InlineSwitch:
                    at += 4 + (4 * BitConverter.ToInt32(code, at));
                    break;
                case OperandType.InlineNone:
                    break;
                case OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar:
                    at += 1;
                    break;
                case OperandType.InlineVar:
                    at += 2;
                    break;
                case OperandType.InlineI8 or OperandType.InlineR:
                    at += 8;
                    break;
                default:
                    at += 4;
                    break;
            }
        }
        return used;
    }

    /// <summary>Room → number of distinct source lines of the methods; neither comments nor without a letter. Generated code has no lines.</summary>
    private static Dictionary<string, int> Lines(HashSet<MethodDefinitionHandle> methods, MetadataReader symbols)
    {
        HashSet<(string Path, int Line)> lines = [];
        foreach (MethodDefinitionHandle method in methods)
        {
            foreach (SequencePoint point in symbols.GetMethodDebugInformation(method).GetSequencePoints().Where(p => !p.IsHidden))
            {
                string path = symbols.GetString(symbols.GetDocument(point.Document).Name);
                if (!s_data.Contains(Path.GetFileName(path)) && path.Contains("/src/", StringComparison.Ordinal))
                {
                    lines.UnionWith(Enumerable.Range(point.StartLine, point.EndLine - point.StartLine + 1).Select(line => (path, line)));
                }
            }
        }
        Dictionary<string, int> rooms = [];
        foreach (IGrouping<string, (string Path, int Line)> file in lines.GroupBy(l => l.Path))
        {
            string[] text = File.ReadAllLines(file.Key);
            string room = Path.GetDirectoryName(file.Key[(file.Key.LastIndexOf("/src/", StringComparison.Ordinal) + 5)..])!;
            int count = file.Count(l => text[l.Line - 1].Trim() is string t && t.Any(char.IsLetterOrDigit) && !t.StartsWith("//", StringComparison.Ordinal));
            rooms[room] = rooms.GetValueOrDefault(room) + count;
        }
        return rooms;
    }
}
